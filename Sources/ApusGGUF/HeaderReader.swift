// Reads a header's primitive values through a window of bounded size; every count is held against the file's size first.

/// A cursor over a file's header.
///
/// Nothing is allocated by a count from the file unless the rest of the header could hold it.
struct HeaderReader<Source: ByteSource> {
    /// The file's name, fit for messages.
    let name: String
    /// The number of bytes from the beginning of the file that the next value starts at.
    private(set) var position = 0

    private let source: Source
    /// Where reading must end: the file's size, or the most that a header may have.
    private let end: Int
    private var window: [UInt8]
    private var windowStart = 0
    private var windowCount = 0

    /// The most bytes that a header may have. The largest known (262,144 tokens with merges) have 16 MB.
    static var headerLimit: Int { 256 << 20 }
    /// Bytes read at once; large enough that a call of the system costs little beside the copy.
    private static var windowSize: Int { 256 << 10 }

    init(source: Source, name: String) {
        self.source = source
        self.name = name
        self.end = min(source.size, Self.headerLimit)
        self.window = [UInt8](repeating: 0, count: min(source.size, Self.windowSize))
    }

    /// The number of bytes that the header can still have.
    var remaining: Int { end - position }

    /// An error of the file's format.
    func failure(_ message: String) -> ApusError {
        ApusError(.format, "\(name): \(message)")
    }

    /// Throws unless the rest of the header can hold as many bytes.
    func require(_ count: Int, _ what: @autoclosure () -> String) throws(ApusError) {
        if count > remaining { throw tooShort(UInt64(count), what()) }
    }

    /// The next integer.
    mutating func integer<T: FixedWidthInteger>(_ what: @autoclosure () -> String) throws(ApusError) -> T {
        let size = MemoryLayout<T>.size
        if position < windowStart || position + size > windowStart + windowCount {
            try require(size, what())
            try fillWindow()
            if size > windowCount { throw shrunk() }
        }
        let offset = position - windowStart
        position += size
        return window.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
    }

    /// The next string's bytes: a length of 64 bits, then that many bytes.
    ///
    /// - Parameters:
    ///   - limit: The most bytes allowed.
    ///   - what: The string's role in messages.
    mutating func string(limit: Int, _ what: @autoclosure () -> String) throws(ApusError) -> [UInt8] {
        let length: UInt64 = try integer(what())
        guard length <= UInt64(remaining) else { throw tooShort(length, what()) }
        guard length <= UInt64(limit) else {
            throw failure("\(what()) has \(length) bytes, wanted at most \(limit)")
        }
        return try bytes(Int(length), what())
    }

    /// The next bytes, as they are.
    mutating func bytes(_ count: Int, _ what: @autoclosure () -> String) throws(ApusError) -> [UInt8] {
        try require(count, what())
        if count <= window.count / 4 {
            if position < windowStart || position + count > windowStart + windowCount {
                try fillWindow()
                if count > windowCount { throw shrunk() }
            }
            let offset = position - windowStart
            position += count
            return Array(window[offset..<offset + count])
        }
        let result = try source.bytes(at: position, count: count)
        guard result.count == count else { throw shrunk() }
        position += count
        return result
    }

    /// The next strings: first their lengths are walked, then the bytes are read in one piece of exactly that size.
    mutating func strings(_ count: Int, _ what: @autoclosure () -> String) throws(ApusError) -> GGUFStringArray {
        let start = position
        for index in 0..<count {
            let length: UInt64 = try integer("string \(index) of \(what())")
            guard length <= UInt64(remaining) else { throw tooShort(length, "string \(index) of \(what())") }
            position += Int(length)
        }
        let total = position - start
        position = start
        let blob = try bytes(total, what())
        guard let result = GGUFStringArray(blob: blob, count: count) else { throw shrunk() }
        return result
    }

    private mutating func fillWindow() throws(ApusError) {
        var found = 0
        var failed: ApusError?
        let (source, position) = (source, position)
        let wanted = min(window.count, source.size - position)
        window.withUnsafeMutableBytes { buffer in
            do throws(ApusError) {
                found = try source.read(at: position, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            } catch {
                failed = error
            }
        }
        windowStart = position
        windowCount = found
        if let failed { throw failed }
    }

    private func tooShort(_ wanted: UInt64, _ what: String) -> ApusError {
        if end < source.size {
            return failure("\(what) at byte \(position) has \(wanted) bytes; a header has at most \(end)")
        }
        return failure("ends inside \(what): \(wanted) bytes wanted at byte \(position), \(remaining) found")
    }

    private func shrunk() -> ApusError {
        ApusError(.io, "\(name): changed while its header was read at byte \(position)")
    }
}
