internal import ApusGGUF
internal import CApus
internal import Glibc
internal import Synchronization

// What every call from C has in common.

/// Where a message goes: NULL, or a pointer that is set to a copy for the caller, or to NULL when all is well.
public typealias ErrorOutput = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?

/// Runs the body of a call, and turns what it throws into a status and a message.
func call(_ output: ErrorOutput, _ body: () throws -> Void) -> apus_status {
    output?.pointee = nil
    do {
        guard !OwnerProcess.isForked else {
            throw CallError(
                Int(APUS_FORKED),
                "this process is a fork of the one that uses Apus, and has none of its threads; fork before anything is "
                    + "loaded, or start a new process (in Python: multiprocessing with \"spawn\")")
        }
        try body()
        return apus_status(APUS_OK)
    } catch {
        let error = CallError(thrown: error)
        output?.pointee = copy(error.message)
        return error.status
    }
}

/// The process that the library's threads belong to.
enum OwnerProcess {
    private static let id = Atomic<Int32>(0)

    /// Notes that this process has handles from now on.
    static func claim() { _ = id.compareExchange(expected: 0, desired: getpid(), ordering: .relaxed) }

    /// Whether the handles are those of a process that this one is a fork of.
    static var isForked: Bool {
        let owner = id.load(ordering: .relaxed)
        return owner != 0 && owner != getpid()
    }
}

/// An output that must not be NULL.
func wanted<T>(_ pointer: UnsafeMutablePointer<T>?, _ name: String) throws(CallError) -> UnsafeMutablePointer<T> {
    guard let pointer else { throw .invalid("\(name) is NULL, wanted: where to put it") }
    return pointer
}

/// A copy for the caller, who frees it.
func copy(_ text: String) -> UnsafeMutablePointer<CChar>? { copy(Array(text.utf8)) }

/// A copy with a NUL at its end for the caller, who frees it.
func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
    guard let memory = malloc(bytes.count + 1) else { return nil }
    bytes.withUnsafeBytes { if let base = $0.baseAddress { memcpy(memory, base, $0.count) } }
    memory.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
    return memory.assumingMemoryBound(to: CChar.self)
}

/// The bytes of a text of the caller's.
///
/// - Parameters:
///   - text: The text.
///   - length: Its bytes, or the largest number for a text with a NUL at its end.
///   - name: What it is, for errors.
func bytes(_ text: UnsafePointer<CChar>?, _ length: Int, _ name: String) throws(CallError) -> [UInt8] {
    guard let text else {
        if length == 0 { return [] }
        throw .invalid("\(name) is NULL, wanted: a text")
    }
    // SIZE_MAX is -1 in Swift's eyes.
    let count = length == -1 ? strlen(text) : length
    guard count >= 0 else { throw .invalid("the length of \(name) is \(UInt(bitPattern: length))") }
    return [UInt8](UnsafeRawBufferPointer(start: text, count: count))
}

/// A path of the caller's.
func path(_ text: UnsafePointer<CChar>?) throws(CallError) -> String {
    guard let text else { throw .invalid("path is NULL, wanted: the name of a file") }
    return String(cString: text)
}

/// Does something with a file, and tells one that is not there from one that cannot be read.
func reading<R>(_ path: String, _ work: () throws(ApusError) -> R) throws(CallError) -> R {
    do {
        return try work()
    } catch {
        if error.code == .io, access(path, F_OK) != 0, errno == ENOENT {
            throw CallError(Int(APUS_NOT_FOUND), error.message)
        }
        throw CallError(error)
    }
}

/// Tokens of the caller's.
func ids(_ tokens: UnsafePointer<Int32>?, _ count: Int) throws(CallError) -> [Int32] {
    guard count >= 0, count <= Int(Int32.max) else {
        throw .invalid("count is \(UInt(bitPattern: count)), wanted: at most \(Int32.max)")
    }
    guard let tokens else {
        if count == 0 { return [] }
        throw .invalid("tokens is NULL, wanted: \(count) tokens")
    }
    return [Int32](UnsafeBufferPointer(start: tokens, count: count))
}

/// Fills a buffer of the caller's, and tells how large it must be.
///
/// - Parameters:
///   - buffer: The buffer.
///   - capacity: For how many elements.
///   - count: Where to tell how many there are.
///   - elements: What there is.
func fill<T>(
    _ buffer: UnsafeMutablePointer<T>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?, with elements: [T]
) throws(CallError) {
    let count = try wanted(count, "the output for the count")
    count.pointee = elements.count
    try checkCapacity(buffer, capacity, needs: elements.count)
    guard let buffer else { return }
    elements.withUnsafeBufferPointer { source in
        if let base = source.baseAddress { buffer.update(from: base, count: source.count) }
    }
}

/// Refuses a buffer that does not hold what there is.
func checkCapacity<T>(_ buffer: UnsafeMutablePointer<T>?, _ capacity: Int, needs: Int) throws(CallError) {
    guard capacity >= 0 else { throw .invalid("the capacity is \(UInt(bitPattern: capacity))") }
    if buffer == nil, capacity > 0 { throw .invalid("the buffer is NULL, but for \(capacity) elements") }
    guard needs <= capacity else {
        throw CallError(Int(APUS_TOO_SMALL), "the buffer has room for \(capacity), wanted: \(needs)")
    }
}
