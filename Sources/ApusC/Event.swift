internal import ApusJSON
internal import CApus
internal import Glibc

/// An event on its way to C.
struct Event: Sendable {
    var kind: Int
    var choice = 0
    var token: Int32 = -1
    var logProbability = Float.nan
    var status = apus_status(APUS_OK)
    var text: String?
    var json: JSONValue?

    init(_ kind: Int, json: JSONValue? = nil) { (self.kind, self.json) = (kind, json) }
}

/// Memory for the texts of one event after another.
final class EventMemory {
    private var text = CText()
    private var json = CText()

    /// One text.
    private struct CText {
        var pointer: UnsafeMutableRawPointer?
        var capacity = 0

        /// Puts a text there.
        ///
        /// - Returns: Where it is, and its bytes; NULL for none, and where memory is none left.
        mutating func hold(_ bytes: some Collection<UInt8>) -> (UnsafePointer<CChar>?, Int) {
            let count = bytes.count
            if capacity <= count {
                free(pointer)
                capacity = 2 * count + 64
                pointer = malloc(capacity)
            }
            guard let pointer else {
                capacity = 0
                return (nil, 0)
            }
            UnsafeMutableRawBufferPointer(start: pointer, count: count).copyBytes(from: bytes)
            pointer.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
            return (UnsafePointer(pointer.assumingMemoryBound(to: CChar.self)), count)
        }
    }

    deinit {
        free(text.pointer)
        free(json.pointer)
    }

    /// The event as C has it, good until the next one.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - size: What its `size` is to be.
    func event(_ event: Event, size: UInt32) -> apus_event {
        let text = event.text.map { self.text.hold($0.utf8) } ?? (nil, 0)
        let json = event.json.map { self.json.hold($0.bytes(indented: false)) } ?? (nil, 0)
        return apus_event(
            size: size, kind: Int32(event.kind), choice: Int32(clamping: event.choice), token: event.token,
            logprob: event.logProbability, status: event.status, text: text.0, text_len: text.1, json: json.0,
            json_len: json.1)
    }
}
