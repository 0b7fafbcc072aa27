internal import ApusGGUF

/// A part of a Go template: text, or what stands between `{{` and `}}`.
enum GoTemplatePiece {
    case text(String)
    case action(String)

    /// Cuts a template into its parts; `{{-` and `-}}` take white space from the text beside them.
    ///
    /// - Throws: `ApusError` with code `format` for an action that does not end.
    static func pieces(of source: String) throws(ApusError) -> [GoTemplatePiece] {
        var pieces: [GoTemplatePiece] = []
        var rest = Substring(source).unicodeScalars
        var trimsNext = false
        while !rest.isEmpty {
            let start = find("{{", in: rest)
            var text = rest[..<start]
            rest = rest[start...]
            if trimsNext { text = text.drop(while: isSpace) }
            trimsNext = false
            let isLast = rest.isEmpty
            rest = rest.dropFirst(2)
            if !isLast, rest.first == "-", rest.dropFirst().first.map(isSpace) == true {
                while let last = text.last, isSpace(last) { text.removeLast() }
                rest = rest.dropFirst()
            }
            if !text.isEmpty { pieces.append(.text(String(String.UnicodeScalarView(text)))) }
            if isLast { break }
            let end = try end(of: rest)
            var action = rest[..<end]
            rest = rest[end...].dropFirst(2)
            if action.last == "-", action.dropLast().last.map(isSpace) ?? true {
                trimsNext = true
                action.removeLast()
            }
            let trimmed = action.drop(while: isSpace)
            if !trimmed.isEmpty && !trimmed.starts(with: "/*".unicodeScalars) {
                pieces.append(.action(String(String.UnicodeScalarView(trimmed))))
            }
        }
        return pieces
    }

    private typealias Scalars = Substring.UnicodeScalarView

    static func isSpace(_ scalar: Unicode.Scalar) -> Bool { " \t\r\n".unicodeScalars.contains(scalar) }

    private static func find(_ row: String, in text: Scalars) -> Scalars.Index {
        var index = text.startIndex
        while index < text.endIndex, !text[index...].starts(with: row.unicodeScalars) { text.formIndex(after: &index) }
        return index
    }

    /// Where the `}}` stands that ends an action: not in a comment, nor in a string.
    private static func end(of text: Scalars) throws(ApusError) -> Scalars.Index {
        let start = text.drop(while: { $0 == "-" || isSpace($0) })
        var index = start.startIndex
        if start.starts(with: "/*".unicodeScalars) { index = find("*/", in: start) }
        var quote: Unicode.Scalar?
        while index < text.endIndex {
            let scalar = text[index]
            if let open = quote {
                if scalar == "\\", open != "`" {
                    text.formIndex(after: &index)
                    if index == text.endIndex { break }
                } else if scalar == open {
                    quote = nil
                }
            } else if scalar == "\"" || scalar == "`" || scalar == "'" {
                quote = scalar
            } else if text[index...].starts(with: "}}".unicodeScalars) {
                return index
            }
            text.formIndex(after: &index)
        }
        throw GoTemplateTranslator.fault("'{{' has no '}}'")
    }
}

/// A word of an action.
enum GoTemplateToken: Hashable {
    /// `if`, `eq`
    case name(String)
    /// `.Message.Role`, without dots; empty for `.` alone.
    case field([String])
    /// `$message.Role`; an empty name for `$` alone.
    case variable(String, [String])
    case string(String)
    case number(String)
    /// `.Role` right after a closing bracket.
    case member([String])
    /// `(`, `)`, `|`, `,`, `:=`, `=`
    case mark(String)

    /// The word, for errors.
    var text: String {
        switch self {
        case .name(let name): ApusError.quoted(name)
        case .field(let path), .member(let path): ApusError.quoted("." + path.joined(separator: "."))
        case .variable(let name, _): ApusError.quoted("$" + name)
        case .string: "a string"
        case .number(let text): ApusError.quoted(text)
        case .mark(let mark): "'\(mark)'"
        }
    }

    /// Cuts an action into words.
    ///
    /// - Throws: `ApusError` with code `format`.
    static func tokens(of action: String) throws(ApusError) -> [GoTemplateToken] {
        var rest = Substring(action)
        var tokens: [GoTemplateToken] = []
        var follows = false
        while let first = rest.first {
            defer { follows = first == ")" }
            switch first {
            case "." where follows: tokens.append(.member(path(&rest)))
            case " ", "\t", "\r", "\n", "\r\n": rest.removeFirst()
            case "(", ")", "|", ",", "=":
                tokens.append(.mark(String(rest.removeFirst())))
            case ":" where rest.hasPrefix(":="):
                tokens.append(.mark(":="))
                rest = rest.dropFirst(2)
            case "\"", "`": tokens.append(.string(try string(&rest)))
            case ".": tokens.append(.field(path(&rest)))
            case "$":
                rest.removeFirst()
                let name = String(rest.prefix(while: isPart))
                rest = rest.dropFirst(name.count)
                tokens.append(.variable(name, path(&rest)))
            case "-", "0"..."9":
                let number = String(first) + rest.dropFirst().prefix { ("0"..."9").contains($0) || $0 == "." }
                guard Double(number) != nil else {
                    throw GoTemplateTranslator.fault("found \(ApusError.quoted(number))")
                }
                tokens.append(.number(number))
                rest = rest.dropFirst(number.count)
            case let first where isPart(first):
                let name = String(rest.prefix(while: isPart))
                rest = rest.dropFirst(name.count)
                tokens.append(.name(name))
            default: throw GoTemplateTranslator.fault("found \(ApusError.quoted(String(first)))")
            }
        }
        return tokens
    }

    private static func isPart(_ character: Character) -> Bool {
        character == "_" || ("a"..."z").contains(character) || ("A"..."Z").contains(character)
            || ("0"..."9").contains(character)
    }

    private static func path(_ rest: inout Substring) -> [String] {
        var path: [String] = []
        while rest.first == "." {
            let name = String(rest.dropFirst().prefix(while: isPart))
            rest = rest.dropFirst(1 + name.count)
            if name.isEmpty { break }
            path.append(name)
        }
        return path
    }

    private static func string(_ rest: inout Substring) throws(ApusError) -> String {
        let quote = rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            if character == quote { return text }
            guard character == "\\", quote == "\"" else {
                text.append(character)
                continue
            }
            switch rest.popFirst() {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "r": text.append("\r")
            case "\"": text.append("\"")
            case "\\": text.append("\\")
            case let other:
                let escape = "\\" + (other.map(String.init) ?? "")
                throw GoTemplateTranslator.fault("found the escape \(ApusError.quoted(escape))")
            }
        }
        throw GoTemplateTranslator.fault("a string does not end")
    }
}
