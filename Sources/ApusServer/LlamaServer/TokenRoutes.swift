internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusTemplate
internal import ApusTokenizer

extension LlamaServerRoutes {
    /// `POST /tokenize`, in the shapes of llama-server (`content`) and of vLLM (`prompt` or `messages`).
    func tokenize(_ call: Call) async throws -> JSONValue {
        let fields = try call.fields()
        let use = try await use(fields, call)
        let ids = try tokens(fields, use)
        let tokens: JSONValue
        if try fields.bool("with_pieces") ?? false {
            tokens = .array(ids.map { ["id": .int(Int($0)), "piece": piece($0, use.tokenizer)] })
        } else {
            tokens = .ints(ids)
        }
        var members: [JSONValue.Member] = [
            .init("tokens", tokens), .init("count", .int(ids.count)),
            .init("max_model_len", .int(use.engine.contextLength)),
        ]
        if try fields.bool("return_token_strs") ?? false {
            members.append(.init("token_strs", .array(ids.map { .string(use.tokenizer.tokenText($0)) })))
        }
        return .object(members)
    }

    private func tokens(_ fields: Fields, _ use: ModelUse) throws(RequestError) -> [Int32] {
        if fields.value("messages") != nil {
            let messages = try Messages.read(fields)
            let options = try ChatPromptOptions(fields, messages: messages, defaults: services.requests.defaults)
            return try services.requests.chatPrompt(messages, use, options: options).ids
        }
        // What is absent differs: vLLM adds the begin token unless it is told not to, llama-server the other way round.
        let name = fields.has("content") ? "content" : "prompt"
        let addSpecial = try fields.bool(name == "content" ? "add_special" : "add_special_tokens") ?? (name == "prompt")
        let parseSpecial = try fields.bool("parse_special") ?? true
        guard fields.has(name) else { throw fields.missing("content", wanted: "the text") }
        let parts: [JSONValue]
        switch fields.value(name) {
        case nil: parts = []
        case .array(let elements)?: parts = elements
        case let value?: parts = [value]
        }
        var ids: [Int32] = []
        var bytes = 0
        for (index, part) in parts.enumerated() {
            if case .string(let text) = part {
                bytes += text.utf8.count
                guard bytes <= Self.mostTextBytes else {
                    throw .invalid(
                        name, "\(name) has more than \(Self.mostTextBytes) bytes, which is all that may be at once",
                        code: "invalid_value")
                }
                ids += use.tokenizer.encode(
                    text, addSpecial: addSpecial && index == 0, parseSpecial: parseSpecial)
            } else {
                guard parts.count > 1 || part.wholeNumber != nil else {
                    throw fields.wrong(name, part, wanted: "a string")
                }
                ids += try fields.ids([part], "\(name)[\(index)]", vocabularySize: use.tokenizer.vocabularySize)
            }
        }
        return ids
    }

    /// Bytes of a text that is cut into tokens: of each byte may come a token, and of that a hundred bytes of a reply.
    private static let mostTextBytes = 8 << 20

    /// The text of a token; its bytes where they are a part of a character only.
    private func piece(_ id: Int32, _ tokenizer: any Tokenizer) -> JSONValue {
        let bytes = tokenizer.bytes(of: id, renderSpecial: true)
        return String(validating: bytes, as: UTF8.self).map(JSONValue.string) ?? .ints(bytes)
    }

    /// `POST /detokenize`: the text under both names that clients look for.
    func detokenize(_ call: Call) async throws -> JSONValue {
        let fields = try call.fields()
        guard fields.has("tokens") else { throw fields.missing("tokens", wanted: "an array of token ids") }
        let use = try await use(fields, call)
        let ids = try fields.ids(
            fields.value("tokens") ?? [], "tokens", vocabularySize: use.tokenizer.vocabularySize)
        let text = JSONValue.string(
            String(decoding: try use.tokenizer.decode(ids, renderSpecial: true), as: UTF8.self))
        return ["content": text, "prompt": text]
    }

    /// `POST /apply-template`: the prompt that a chat request would have.
    func applyTemplate(_ call: Call) async throws -> JSONValue {
        let fields = try call.fields()
        let body = try TemplateBody(fields, defaults: services.requests.defaults)
        let use = try await use(fields, call)
        return ["prompt": .string(try body.prompt(services.requests.chatFormat(use)))]
    }

    /// `GET /tokenizer_info` of vLLM: what a client needs who makes prompts of its own.
    func tokenizerInfo(_ call: Call) async throws -> JSONValue {
        let use = try await services.use(call.query("model"), signal: await call.cancelSignal())
        let metadata = use.model.metadata
        let template = services.configuration.chatTemplate ?? (try? metadata.optionalString("tokenizer.chat_template"))
        func token(_ id: Int32?) -> JSONValue { use.tokenizer.text(of: id).map(JSONValue.string) ?? .null }
        let padding = (try? metadata.optionalInt("tokenizer.ggml.padding_token_id"))?.flatMap { Int32(exactly: $0) }
        return [
            "tokenizer_class": .string(use.tokenizer.summary), "vocab_size": .int(use.tokenizer.vocabularySize),
            "model_max_length": .int(use.engine.contextLength),
            "add_bos_token": .bool(use.tokenizer.addsBOS), "add_eos_token": .bool(use.tokenizer.addsEOS),
            "bos_token": token(use.tokenizer.bosID), "eos_token": token(use.tokenizer.eosID),
            "pad_token": token(padding), "chat_template": template.map(JSONValue.string) ?? .null,
        ]
    }
}

extension Tokenizer {
    /// The text of a control token; nil when there is no such token.
    func text(of id: Int32?) -> String? {
        guard let id, id >= 0, Int(id) < vocabularySize else { return nil }
        return String(decoding: bytes(of: id, renderSpecial: true), as: UTF8.self)
    }
}
