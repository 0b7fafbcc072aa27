internal import ApusGGUF
internal import CKernels
internal import Synchronization

/// Reads tensors in pieces, straight into the packed form, on all threads. After it nothing is read from the file.
struct WeightLoader {
    let file: GGUFFile
    let pages: ModelPages
    let cancellation: CancellationFlag?

    /// Bytes that a thread reads at once: enough for the disk, little beside the model.
    private static let pieceBytes = 1 << 20

    /// Some rows of a tensor.
    private struct Piece {
        let entry: WeightPlan.Entry
        let firstRow: Int
        let rows: Int
    }

    /// How long the compute thread loads before others have a turn: engines beside it go on meanwhile.
    private static let slice = Duration.milliseconds(50)

    /// Loads all entries of a plan, on the compute thread.
    ///
    /// - Parameters:
    ///   - plan: What to load.
    ///   - threads: On how many threads.
    ///   - progress: Is told which share has been read, between slices.
    func load(_ plan: WeightPlan, threads: Int, progress: ((Float) -> Void)?) throws(ApusError) {
        try ComputeThread.shared.start()
        var pieces: [Piece] = []
        for entry in plan.entries {
            guard case .matrix(let matrix) = entry.target else {
                pieces.append(Piece(entry: entry, firstRow: 0, rows: 1))
                continue
            }
            let tileRows = Int(APUS_TILE_ROWS)
            let rows = max(1, Self.pieceBytes / max(1, entry.tensor.rowBytes * tileRows)) * tileRows
            for first in stride(from: 0, to: matrix.rows, by: rows) {
                pieces.append(Piece(entry: entry, firstRow: first, rows: min(rows, matrix.rows - first)))
            }
        }
        let job = Job(loader: self, pieces: pieces)
        while !job.isDone {
            progress?(job.share)
            ComputeThread.shared.run {
                job.end.withLock { $0 = .now + Self.slice }
                apus_team_run(
                    Int32(threads),
                    { _, _, context in Unmanaged<Job>.fromOpaque(context.unsafelyUnwrapped).takeUnretainedValue().work()
                    },
                    Unmanaged.passUnretained(job).toOpaque())
            }
        }
        if let error = job.error.withLock({ $0 }) { throw error }
        pages.finish()
        progress?(1)
    }

    /// What the threads share: each takes the next piece until none is left, one failed, or the slice is over.
    private final class Job: Sendable {
        let loader: WeightLoader
        // Safe to share: constant.
        nonisolated(unsafe) let pieces: [Piece]
        let next = Atomic<Int>(0)
        let error = Locked<ApusError?>(nil)
        /// When the slice at hand is over.
        let end = Locked(ContinuousClock.now)

        var isDone: Bool { next.load(ordering: .relaxed) >= pieces.count || error.withLock { $0 != nil } }

        /// The share of the pieces that were taken.
        var share: Float { Float(min(next.load(ordering: .relaxed), pieces.count)) / Float(max(1, pieces.count)) }

        init(loader: WeightLoader, pieces: [Piece]) {
            self.loader = loader
            self.pieces = pieces
        }

        func work() {
            var staging: [UInt8] = []
            let end = end.withLock(\.self)
            do throws(ApusError) {
                while ContinuousClock.now < end {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < pieces.count, error.withLock({ $0 == nil }) else { return }
                    if loader.cancellation?.isCancelled == true { throw ApusError(.cancelled, "loading was cancelled") }
                    try loader.load(pieces[index], staging: &staging)
                }
            } catch let failure {
                error.withLock { if $0 == nil { $0 = failure } }
            }
        }
    }

    private func load(_ piece: Piece, staging: inout [UInt8]) throws(ApusError) {
        let tensor = piece.entry.tensor
        let bytes = piece.rows * tensor.rowBytes
        if staging.count < bytes { staging = [UInt8](repeating: 0, count: bytes) }
        let outcome = staging.withUnsafeMutableBytes { buffer -> ApusError? in
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes])
            do throws(ApusError) {
                try file.read(tensor, at: (piece.entry.firstRow + piece.firstRow) * tensor.rowBytes, into: part)
            } catch {
                return error
            }
            guard let source = part.baseAddress else { return nil }
            switch piece.entry.target {
            case .matrix(let matrix):
                pages.prepare(upTo: matrix.end(ofRows: piece.firstRow + piece.rows))
                var weights = pages.memory.weights(matrix)
                apus_weights_pack(&weights, source, piece.firstRow, piece.rows)
            case .vector(let vector, let quant):
                pages.prepare(upTo: vector.offset + vector.count * MemoryLayout<Float>.stride)
                apus_quant_decode(quant, source, pages.memory.floats(vector), vector.count)
            }
            return nil
        }
        if let outcome { throw outcome }
    }
}

extension Pages {
    /// The kernels' view of a matrix.
    func weights(_ matrix: Matrix) -> apus_weights {
        apus_weights(
            quant: matrix.quant, tiles: (base + matrix.offset).assumingMemoryBound(to: UInt8.self),
            rows: UInt32(matrix.rows), cols: UInt32(matrix.cols), stride: UInt32(matrix.stride))
    }

    /// The kernels' view of a vector.
    func floats(_ vector: Vector) -> UnsafeMutablePointer<Float> {
        (base + vector.offset).assumingMemoryBound(to: Float.self)
    }
}
