internal import Apus
internal import ApusJSON

/// A prompt of `/v1/completions` and `/v1/embeddings`.
struct TextPrompt: Sendable {
    /// What the engine begins with.
    let prompt: EngineRequest.Prompt
    /// The text, where it came as text.
    let text: String?

    /// Prompts that there may be in a request.
    static let maxCount = 4096

    /// Reads prompts in all their forms: a string, an array of strings, token ids, an array of arrays of these.
    ///
    /// - Parameters:
    ///   - fields: The request.
    ///   - name: The member.
    ///   - use: The model.
    ///   - parsesSpecial: Whether control tokens' texts become these tokens.
    /// - Throws: 400 with the place.
    static func read(
        _ fields: Fields, _ name: String, use: ModelUse, parsesSpecial: Bool
    ) throws(RequestError) -> [TextPrompt] {
        let wanted = "a string, an array of strings, an array of token ids, or an array of arrays of these"
        guard let value = fields.value(name) else { throw fields.missing(name, wanted: wanted) }
        func text(_ text: String) -> TextPrompt {
            TextPrompt(prompt: .text(Array(text.utf8), parseSpecial: parsesSpecial), text: text)
        }
        func ids(_ value: JSONValue, _ name: String) throws(RequestError) -> TextPrompt {
            let count = use.model.vocabularySize
            return TextPrompt(prompt: .ids(try fields.ids(value, name, vocabularySize: count)), text: nil)
        }
        switch value {
        case .string(let string): return [text(string)]
        case .array(let elements):
            if elements.first?.number != nil { return [try ids(value, name)] }
            guard elements.count <= maxCount else {
                throw fields.wrong(name, value, wanted: "at most \(maxCount) of them")
            }
            var prompts: [TextPrompt] = []
            for (index, element) in elements.enumerated() {
                switch element {
                case .string(let string): prompts.append(text(string))
                case .array: prompts.append(try ids(element, "\(name)[\(index)]"))
                default: throw fields.wrong("\(name)[\(index)]", element, wanted: "a string or an array of token ids")
                }
            }
            return prompts
        default: throw fields.wrong(name, value, wanted: wanted)
        }
    }
}
