internal import ApusGGUF
package import ApusJSON
internal import ApusModel

/// Reads the members of a JSON object of a request, and refuses what is of another type or out of range.
///
/// `null`, `[]` and `{}` are the same as no member at all, and members that nobody asks for are passed over: clients send
/// all of these.
package struct Fields: Sendable {
    /// What stands before the names in errors: empty for the body itself, or `options.`
    private let prefix: String
    private let members: [String: JSONValue]
    /// The names that somebody asked for; nil where nobody wants to know.
    private let asked: Locked<Set<String>>?

    /// Takes an object.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - path: Where it stands in the body, such as `messages[2]`; nil for the body itself.
    ///   - notesNames: Whether `checkAllAsked` is wanted later.
    /// - Throws: 400 when it is no object.
    package init(
        _ value: JSONValue, at path: String? = nil, notesNames: Bool = false
    ) throws(RequestError) {
        guard case .object(let list) = value else {
            throw Self.wrong(path, path ?? "the request body", value, wanted: "an object")
        }
        prefix = path.map { $0 + "." } ?? ""
        // As JSON readers do: of several members with a name the last one counts.
        members = Dictionary(list.map { ($0.name, $0.value) }) { $1 }
        asked = notesNames ? Locked([]) : nil
    }

    /// The path of a member, for errors.
    package func path(_ name: String) -> String { prefix + name }

    /// A member; nil when it is missing, null, or an empty array or object.
    package func value(_ name: String) -> JSONValue? {
        asked?.withLock { _ = $0.insert(name) }
        return switch members[name] {
        case nil, .null, .array([]), .object([]): nil
        case let value: value
        }
    }

    /// Refuses members of other names.
    ///
    /// - Parameter names: Those that there may be.
    package func check(names: Set<String>) throws(RequestError) {
        guard let name = members.keys.filter({ !names.contains($0) }).min() else { return }
        throw .invalid(path(name), "\(path(name)) is unknown, wanted: any of \(names.sorted().joined(separator: ", "))")
    }

    /// Refuses members that nobody has asked for.
    ///
    /// - Parameter names: Those that there may be all the same.
    package func checkAllAsked(but names: [String]) throws(RequestError) {
        let known = (asked?.withLock { $0 } ?? []).union(names)
        let unknown = members.filter { !known.contains($0.key) && $0.value != .null }
        guard let name = unknown.keys.min() else { return }
        throw .invalid(path(name), "\(path(name)) is unknown, and the request is strict")
    }

    /// Whether a member is there at all, as an empty array for example.
    package func has(_ name: String) -> Bool { members[name] != nil }

    /// A text, which may be empty.
    package func string(_ name: String) throws(RequestError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw wrong(name, value, wanted: "a string") }
        return text
    }

    /// `true` or `false`.
    package func bool(_ name: String) throws(RequestError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let flag) = value else { throw wrong(name, value, wanted: "true or false") }
        return flag
    }

    /// A whole number; one with a fraction of zero is one.
    ///
    /// - Parameters:
    ///   - name: The member.
    ///   - range: What is wanted.
    package func int(_ name: String, in range: ClosedRange<Int>) throws(RequestError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.wholeNumber, range.contains(number) else {
            throw wrong(name, value, wanted: "a whole number of \(range.text)")
        }
        return number
    }

    /// A number.
    ///
    /// - Parameters:
    ///   - name: The member.
    ///   - range: What is wanted.
    package func double(_ name: String, in range: ClosedRange<Double> = -1e30...1e30) throws(RequestError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.number, range.contains(number) else {
            throw wrong(name, value, wanted: "a number of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// An array with at least one element.
    package func array(_ name: String) throws(RequestError) -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else { throw wrong(name, value, wanted: "an array") }
        return elements
    }

    /// An object with at least one member.
    package func fields(_ name: String) throws(RequestError) -> Fields? {
        guard let value = value(name) else { return nil }
        return try Fields(value, at: path(name))
    }

    /// A string or an array of strings; empty strings are left out.
    ///
    /// - Parameters:
    ///   - name: The member.
    ///   - most: How many there may be.
    package func strings(_ name: String, most: Int = 1024) throws(RequestError) -> [String]? {
        guard let value = value(name) else { return nil }
        var texts: [String] = []
        switch value {
        case .string(let text): texts = [text]
        case .array(let elements):
            guard elements.count <= most else { throw wrong(name, value, wanted: "at most \(most) strings") }
            for (index, element) in elements.enumerated() {
                guard case .string(let text) = element else {
                    throw wrong("\(name)[\(index)]", element, wanted: "a string")
                }
                texts.append(text)
            }
        default: throw wrong(name, value, wanted: "a string or an array of strings")
        }
        texts.removeAll(where: \.isEmpty)
        return texts.isEmpty ? nil : texts
    }

    /// Stop strings, which every byte of every reply is compared with; empty ones are left out.
    package func stops() throws(RequestError) -> [String] {
        let stops = try strings("stop") ?? []
        let (bytes, most) = (stops.reduce(0) { $0 + $1.utf8.count }, 1 << 16)
        if bytes > most {
            throw .invalid(
                path("stop"), "\(path("stop")) has \(bytes) bytes, wanted: at most \(most)", code: "invalid_value")
        }
        return stops
    }

    /// Token ids.
    ///
    /// - Parameters:
    ///   - value: The value, which is to be an array of them.
    ///   - name: Its name, for errors.
    ///   - count: Tokens in the vocabulary.
    package func ids(_ value: JSONValue, _ name: String, vocabularySize count: Int) throws(RequestError) -> [Int32] {
        guard case .array(let elements) = value else { throw wrong(name, value, wanted: "an array of token ids") }
        var ids: [Int32] = []
        ids.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard let id = element.wholeNumber, id >= 0, id < count else {
                throw wrong("\(name)[\(index)]", element, wanted: "a token id of 0 to \(count - 1)")
            }
            ids.append(Int32(id))
        }
        return ids
    }

    /// One of some words.
    package func word<Word: RawRepresentable<String> & CaseIterable>(
        _ name: String, as _: Word.Type
    ) throws(RequestError) -> Word? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value, let word = Word(rawValue: text) else {
            let words = Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            throw wrong(name, value, wanted: "one of: \(words)")
        }
        return word
    }

    /// The error of a member that is not what is wanted.
    package func wrong(_ name: String, _ value: JSONValue, wanted: String) -> RequestError {
        Self.wrong(path(name), path(name), value, wanted: wanted)
    }

    /// The error of a member that must be there.
    package func missing(_ name: String, wanted: String) -> RequestError {
        .invalid(path(name), "\(path(name)) is missing, wanted: \(wanted)", code: "missing_required_parameter")
    }

    private static func wrong(
        _ parameter: String?, _ name: String, _ value: JSONValue, wanted: String
    ) -> RequestError {
        .invalid(parameter, "\(name) is \(value.summary), wanted: \(wanted)", code: "invalid_value")
    }
}

extension JSONValue {
    /// The number, if it is one.
    package var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The number, if it is a whole one that fits.
    package var wholeNumber: Int? {
        switch self {
        case .int(let value): value
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The value in a few words, for errors.
    package var summary: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let text): ApusError.quoted(text, limit: 40)
        case .array(let elements): "an array of \(elements.count)"
        case .object: "an object"
        }
    }
}

extension ClosedRange where Bound == Int {
    fileprivate var text: String {
        if upperBound == .max { return lowerBound == .min ? "64 bits" : "\(lowerBound) or more" }
        return "\(lowerBound) to \(upperBound)"
    }
}
