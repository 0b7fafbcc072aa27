internal import Apus
internal import ApusAPI
internal import ApusJSON

extension KeepAlive {
    /// Reads `keep_alive`: a number of seconds or a duration as Go writes them (`5m`, `1h30m`); below zero it is for ever.
    ///
    /// - Parameter fields: The request.
    /// - Returns: nil when the request says nothing.
    /// - Throws: 400 for what is neither.
    static func read(_ fields: Fields) throws(RequestError) -> KeepAlive? {
        guard let value = fields.value("keep_alive") else { return nil }
        if case .string(let text) = value, let time = KeepAlive(text: text) { return time }
        if let seconds = value.number { return KeepAlive(seconds: seconds) }
        throw fields.wrong("keep_alive", value, wanted: "seconds, or a duration such as \"5m\"")
    }
}
