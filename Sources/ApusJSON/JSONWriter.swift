// JSON text from values.

extension JSONValue {
    /// The value as JSON text (RFC 8259) on one line.
    public var text: String {
        String(decoding: bytes(indented: false), as: UTF8.self)
    }

    /// The value as JSON text.
    ///
    /// - Parameter indented: Whether members and the elements of arrays that hold arrays or objects get lines of their
    ///   own. Arrays of plain values stay on one line.
    /// - Returns: UTF-8, without a line break at the end.
    public func bytes(indented: Bool) -> [UInt8] {
        var writer = JSONWriter(indented: indented)
        writer.write(self)
        return writer.bytes
    }
}

struct JSONWriter {
    let indented: Bool
    private(set) var bytes: [UInt8] = []
    private var depth = 0

    init(indented: Bool) {
        self.indented = indented
        bytes.reserveCapacity(512)
    }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .int(let value): append(String(value))
        // Swift's description is the shortest text that reads back as the same number, and valid JSON when finite.
        case .double(let value): append(value.isFinite ? value.description : "null")
        case .string(let value): write(string: value)
        case .array(let elements):
            let onLines = indented && elements.contains(where: \.isContainer)
            writeList("[", "]", elements, onLines: onLines) { $0.write($1) }
        case .object(let members):
            writeList("{", "}", members, onLines: indented) { writer, member in
                writer.write(string: member.name)
                writer.append(writer.indented ? ": " : ":")
                writer.write(member.value)
            }
        }
    }

    private mutating func writeList<Element>(
        _ open: String, _ close: String, _ elements: [Element], onLines: Bool,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        append(open)
        depth += 1
        for (index, element) in elements.enumerated() {
            if index > 0 { append(indented && !onLines ? ", " : ",") }
            if onLines { newLine() }
            write(&self, element)
        }
        depth -= 1
        if onLines && !elements.isEmpty { newLine() }
        append(close)
    }

    private mutating func newLine() {
        bytes.append(0x0A)
        bytes.append(contentsOf: repeatElement(0x20, count: 2 * depth))
    }

    private mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func write(string: String) {
        let quote = UInt8(ascii: "\"")
        let backslash = UInt8(ascii: "\\")
        bytes.append(quote)
        defer { bytes.append(quote) }
        // Most strings stand as they are, and are copied at once.
        let isPlain: Bool? = string.utf8.withContiguousStorageIfAvailable { text in
            guard text.allSatisfy({ $0 >= 0x20 && $0 != quote && $0 != backslash && $0 != 0x7F }) else { return false }
            bytes.append(contentsOf: text)
            return true
        }
        if isPlain == true { return }
        for byte in string.utf8 {
            switch byte {
            case quote, backslash: bytes += [backslash, byte]
            case 0x0A: append("\\n")
            case 0x0D: append("\\r")
            case 0x09: append("\\t")
            case 0..<0x20, 0x7F:
                append("\\u00")
                append(byte < 16 ? "0" : "")
                append(String(byte, radix: 16))
            default: bytes.append(byte)
            }
        }
    }
}

extension JSONValue {
    fileprivate var isContainer: Bool {
        switch self {
        case .array, .object: true
        default: false
        }
    }
}
