// The log in lines of our own form: as JSON, for what collects logs, and as text in a file.

import ApusJSON
import Logging

/// Writes each line of a log to a file that is open.
struct LineLogHandler: LogHandler {
    /// Makes a line of an event and its metadata, whose names are in order.
    typealias Format =
        @Sendable (_ event: LogEvent, _ time: timespec, _ metadata: [(name: String, text: String)]) -> String

    let descriptor: Int32
    let format: Format
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    init(descriptor: Int32, format: @escaping Format) { (self.descriptor, self.format) = (descriptor, format) }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.map { (name: $0.key, text: "\($0.value)") }
        let line = format(event, time, all.sorted { $0.name < $1.name })
        _ = writeAll(Array(line.utf8) + [0x0A], to: descriptor)
    }

    /// An object a line.
    static let json: Format = { event, time, metadata in
        let head: [JSONValue.Member] = [
            .init("time", .double(Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1e3)),
            .init("level", .string(event.level.rawValue)), .init("message", .string("\(event.message)")),
        ]
        return JSONValue.object(head + metadata.map { .init($0.name, .string($0.text)) }).text
    }

    /// Text, as swift-log writes it to standard error; a value with spaces or line breaks is in quotes.
    static let text: Format = { event, time, metadata in
        var (seconds, parts) = (time.tv_sec, tm())
        gmtime_r(&seconds, &parts)
        var stamp = [CChar](repeating: 0, count: 32)
        strftime(&stamp, stamp.count, "%Y-%m-%dT%H:%M:%S+0000", &parts)
        let date = stamp.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        let values = metadata.map { name, text in
            let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x7F }
            return " \(name)=\(isPlain ? text : JSONValue.string(text).text)"
        }
        return "\(date) \(event.level) apus:\(values.joined()) \(event.message)"
    }
}
