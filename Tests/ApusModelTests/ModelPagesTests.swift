// Pages under weights and activations: what the system says of them in /proc/self/smaps, and what stands in them.

#if os(Linux)
    import ApusGGUF
    import ApusModel
    import ApusTestSupport
    import Foundation
    import Testing

    @Suite(.serialized) struct ModelPagesTests {
        private static let pageBytes = 2 << 20

        /// Memory that the kernel counts by itself: advice that nothing else in the process has keeps it apart.
        private func ownMemory(_ byteCount: Int, huge: Bool) throws -> Pages {
            let memory = try Pages(byteCount: byteCount, for: "a test", huge: huge)
            #expect(madvise(memory.base, byteCount, MADV_DONTDUMP) == 0)
            return memory
        }

        /// Bytes of huge pages in a mapping, as the kernel counts them.
        private func hugeBytes(at address: UnsafeMutableRawPointer) throws -> Int {
            let start = String(UInt(bitPattern: address), radix: 16) + "-"
            let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
            let lines = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
            let mapping = try #require(lines.firstIndex { $0.hasPrefix(start) })
            let line = try #require(lines[mapping...].first { $0.hasPrefix("AnonHugePages:") })
            return try #require(Int(line.split(separator: " ")[1])) * 1024
        }

        /// Whether this system gives huge pages and merges small ones.
        private func hasHugePages() throws -> Bool {
            let memory = try ownMemory(4 * Self.pageBytes, huge: true)
            let pages = ModelPages(memory, slowPage: .seconds(3600))
            pages.prepare(upTo: memory.byteCount)
            return try hugeBytes(at: memory.base) == memory.byteCount
        }

        @Test("Slow huge pages: small ones are taken, and merged after many steps")
        func merging() throws {
            guard try hasHugePages() else { return }
            let count = 24
            let memory = try ownMemory(count * Self.pageBytes, huge: true)
            // Every page is slow.
            let pages = ModelPages(memory, slowPage: .zero)
            let words = UnsafeMutableRawBufferPointer(start: memory.base, count: memory.byteCount)
                .bindMemory(to: UInt64.self)
            for page in 0..<count {
                pages.prepare(upTo: (page + 1) * Self.pageBytes)
                for index in page * Self.pageBytes / 8..<(page + 1) * Self.pageBytes / 8 {
                    words[index] = UInt64(index) &* 0x9E37_79B9_7F4A_7C15
                }
            }
            pages.finish()
            let first = try hugeBytes(at: memory.base)
            #expect(first <= 8 * Self.pageBytes)
            for _ in 0..<ModelPages.patience { pages.stepEnded(after: .milliseconds(1)) }
            #expect(try hugeBytes(at: memory.base) == first)
            for _ in 0..<count { pages.stepEnded(after: .milliseconds(1)) }
            #expect(try hugeBytes(at: memory.base) == memory.byteCount)
            #expect(words.indices.allSatisfy { words[$0] == UInt64($0) &* 0x9E37_79B9_7F4A_7C15 })
        }

        @Test("All small pages are merged at once when that is asked for")
        func mergingAtOnce() throws {
            guard try hasHugePages() else { return }
            let memory = try ownMemory(12 * Self.pageBytes + 5000, huge: true)
            let pages = ModelPages(memory, slowPage: .zero)
            for end in stride(from: 1 << 20, through: memory.byteCount, by: 1 << 20) { pages.prepare(upTo: end) }
            memset(memory.base, 7, memory.byteCount)
            pages.finish()
            pages.merge()
            #expect(try hugeBytes(at: memory.base) == 12 * Self.pageBytes)
        }

        @Test("A model's small pages are merged while it decodes, those of its activations too")
        func decoding() throws {
            guard try hasHugePages() else { return }
            let model = SyntheticModel {
                ($0.dim, $0.heads, $0.kvHeads, $0.headDim, $0.valueDim, $0.hidden) = (512, 8, 2, 64, 64, 2048)
                $0.layers = 8
            }
            let weights = try model.withFile { file throws(ApusError) in
                try DecoderWeights(
                    file, threads: 2, contextLength: nil, cancellation: nil, slowPage: .zero, progress: nil)
            }
            let runner = try Runner(weights, maxTokens: 512)
            let parts = [weights.pages, runner.decoder.activations]
            for memory in parts { #expect(madvise(memory.base, memory.byteCount, MADV_DONTDUMP) == 0) }
            let whole = weights.byteCount / Self.pageBytes * Self.pageBytes
            #expect(whole >= 12 * Self.pageBytes)

            let sequence = runner.sequence()
            let first = try runner.append(tokens(1), to: sequence, chunk: 1)
            let small = try parts.map { try hugeBytes(at: $0.base) }
            #expect(small[0] <= 8 * Self.pageBytes && small[1] == 0)
            // A page a step at least.
            let steps = ModelPages.patience + whole / Self.pageBytes
            _ = try runner.append(tokens(steps), to: sequence, chunk: 1)
            let merged = try parts.map { try hugeBytes(at: $0.base) }
            // What no step of one token touches has no pages to merge.
            #expect(merged[0] == whole && merged[1] > 0)
            #expect(try runner.append(tokens(1), to: runner.sequence(), chunk: 1) == first)
        }

        @Test("Memory that is used in parts has small pages")
        func smallPages() throws {
            let memory = try ownMemory(4 * Self.pageBytes, huge: false)
            memset(memory.base, 7, memory.byteCount)
            #expect(try hugeBytes(at: memory.base) == 0)
        }
    }
#endif
