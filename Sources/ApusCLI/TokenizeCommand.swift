import Apus
import ApusGGUF
import ApusJSON
import ApusTokenizer
import ArgumentParser

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Prints the token ids of a text as a JSON array.",
        discussion: "Reads only the file's header, no weights.")

    @OptionGroup var model: ModelOption
    @OptionGroup var text: TextOptions

    @Flag(name: .customLong("no-bos"), help: "Do not add the tokens that begin and end a text.")
    var noBOS = false

    @Flag(
        name: .customLong("parse-special"),
        help: "Turn the texts of control tokens, such as <|im_end|>, into these tokens.")
    var parseSpecial = false

    @Flag(name: .customLong("pieces"), help: "Print objects with id and piece instead of ids.")
    var pieces = false

    func run() throws {
        let path = try model.path()
        let bytes = try text.bytes(wanted: "text")
        let tokenizer = try Tokenizers.make(GGUFFile(path: path).metadata)
        let ids = tokenizer.encode(bytes, addSpecial: !noBOS, parseSpecial: parseSpecial)
        let output: JSONValue = pieces ? .array(ids.map { Piece(id: $0, tokenizer: tokenizer).json }) : .ints(ids)
        try Console.writeLine(output.text)
        for warning in tokenizer.warnings { Console.warn(warning) }
    }
}

struct DetokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detokenize",
        abstract: "Prints the text of token ids.",
        discussion: """
            The ids are a JSON array, from -p, -f or standard input. Bytes that are no character become U+FFFD. Control \
            tokens, such as <|im_end|>, give no text without --parse-special. Reads only the file's header, no weights.
            """)

    @OptionGroup var model: ModelOption
    @OptionGroup var text: TextOptions

    @Flag(name: .customLong("no-bos"), help: "Leave out a begin token at the start.")
    var noBOS = false

    @Flag(name: .customLong("parse-special"), help: "Print the texts of control tokens.")
    var parseSpecial = false

    @Flag(name: .customLong("pieces"), help: "Print a JSON array of objects with id and piece instead of the text.")
    var pieces = false

    func run() throws {
        let path = try model.path()
        let bytes = try text.bytes(wanted: "array of ids")
        let tokenizer = try Tokenizers.make(GGUFFile(path: path).metadata)
        let name = text.file.map { $0 == "-" ? "standard input" : ApusError.printable($0) }
        var ids = try TokenIDs.parse(
            bytes, name: name ?? (text.prompt == nil ? "standard input" : "-p"),
            vocabularySize: tokenizer.vocabularySize)
        if noBOS, let first = ids.first, first == tokenizer.bosID { ids.removeFirst() }
        if pieces {
            try Console.writeLine(JSONValue.array(ids.map { Piece(id: $0, tokenizer: tokenizer).json }).text)
        } else {
            try write(ids, tokenizer)
        }
        for warning in tokenizer.warnings { Console.warn(warning) }
    }

    private func write(_ ids: [Int32], _ tokenizer: any Tokenizer) throws(ApusError) {
        var decoder = StreamDecoder()
        let decoded = decoder.append(try tokenizer.decode(ids, renderSpecial: parseSpecial)) + decoder.finish()
        guard try Console.write(Array(decoded.utf8)) else { return }
        if Console.outputIsTerminal && decoded.utf8.last != 0x0A { _ = try Console.write([0x0A]) }
    }
}

/// A token for people to look at.
private struct Piece {
    let id: Int32
    let tokenizer: any Tokenizer

    /// Id and text; where the token is a part of a character, its bytes as well.
    var json: JSONValue {
        let bytes = tokenizer.bytes(of: id, renderSpecial: true)
        var members = [
            JSONValue.Member("id", .int(Int(id))),
            JSONValue.Member("piece", .string(String(decoding: bytes, as: UTF8.self))),
        ]
        if String(validating: bytes, as: UTF8.self) == nil {
            members.append(JSONValue.Member("bytes", .ints(bytes)))
        }
        return .object(members)
    }
}

/// Token ids in JSON.
enum TokenIDs {
    /// Reads an array of ids.
    ///
    /// - Throws: `format` or `invalidArgument` that names the text, the place, the value found and the value wanted.
    static func parse(_ bytes: [UInt8], name: String, vocabularySize: Int) throws(ApusError) -> [Int32] {
        guard case .array(let elements) = try JSONValue(parsing: bytes, name: name) else {
            throw ApusError(.format, "\(name): wanted a JSON array of token ids")
        }
        var ids: [Int32] = []
        ids.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard case .int(let value) = element, value >= 0, value < vocabularySize, let id = Int32(exactly: value)
            else {
                let found = String(decoding: element.bytes(indented: false).prefix(40), as: UTF8.self)
                throw ApusError(
                    .invalidArgument,
                    "\(name): token id \(ApusError.printable(found)) at position \(index), "
                        + "wanted: a whole number of 0 to \(vocabularySize - 1)")
            }
            ids.append(id)
        }
        return ids
    }
}
