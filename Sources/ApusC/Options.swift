internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON

/// Reads the JSON that calls take.
enum Options {
    /// The members of an options text.
    ///
    /// - Parameters:
    ///   - text: An object, or NULL for none.
    ///   - names: What it may have beside `strict`; others are passed over with a warning, or refused if it is strict.
    static func read(_ text: UnsafePointer<CChar>?, names: [String]) throws -> Fields {
        guard let text else { return try Fields([:]) }
        let fields = try Fields(json(bytes(text, -1, "options"), name: "options"))
        do {
            try fields.check(names: Set(names + ["strict"]))
        } catch {
            if try fields.bool("strict") ?? false { throw error }
            Log.write(.warning, "options: \(error.message)")
        }
        return fields
    }

    /// The members of a request, which notes what is asked for.
    static func request(_ text: UnsafePointer<CChar>?, _ length: Int) throws -> Fields {
        try Fields(json(bytes(text, length, "request"), name: "request"), notesNames: true)
    }

    /// Refuses members of a request that nobody has asked for, if it is strict.
    static func checkStrict(_ fields: Fields) throws(RequestError) {
        guard try fields.bool("strict") ?? false else { return }
        // Some of these are asked for with others only.
        try fields.checkAllAsked(but: SamplingOptions.fieldNames)
    }

    /// Text of the caller's as JSON.
    static func json(_ bytes: [UInt8], name: String) throws(CallError) -> JSONValue {
        do {
            return try JSONValue(parsing: bytes, name: name, maxDepth: 64)
        } catch {
            // To a file the same would be a fault of its format.
            throw .invalid(error.message)
        }
    }
}
