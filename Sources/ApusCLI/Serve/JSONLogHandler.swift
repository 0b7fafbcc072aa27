// The log as JSON, for what collects logs.

import ApusJSON
import Logging

/// Writes each line of a log as an object to standard error.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var members: [JSONValue.Member] = [
            .init("time", .double(Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1e3)),
            .init("level", .string(event.level.rawValue)), .init("message", .string("\(event.message)")),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) {
            members.append(.init(name, .string("\(value)")))
        }
        Console.note(JSONValue.object(members).text)
    }
}
