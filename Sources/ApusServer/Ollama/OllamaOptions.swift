internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON

/// What a chat or generate request of Ollama's says of the form of the reply.
struct OllamaOptions: Sendable {
    /// Whether it comes in pieces, as it does unless the request says otherwise.
    let isStreamed: Bool
    /// How many likeliest tokens the reply has for each of its own; nil for no log probabilities.
    let logProbabilities: Int?
    /// Whether the oldest messages may go when the prompt does not fit.
    let truncates: Bool
    /// Whether the model is to think before it answers, if the request says it.
    let thinks: Bool?

    /// Reads them, and refuses what Apus does not do.
    ///
    /// - Throws: 400 with the parameter.
    init(_ fields: Fields) throws(RequestError) {
        isStreamed = try fields.bool("stream") ?? true
        truncates = try fields.bool("truncate") ?? false
        _ = try fields.bool("shift")
        let top = try fields.int("top_logprobs", in: 0...20)
        logProbabilities = try fields.bool("logprobs") == true ? top ?? 0 : nil
        for name in ["tools", "images"] {
            if try fields.array(name) != nil { throw .unsupported(name, "\(name) is not supported yet") }
        }
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw .unsupported("suffix", "suffix is not supported yet")
        }
        if let format = fields.value("format"), format != "" {
            throw .unsupported("format", "format is \(format.summary), which is not supported yet")
        }
        if case .string? = fields.value("think") {
            // How much is not the templates' to say.
            thinks = try fields.word("think", as: ThinkLevel.self) != nil
        } else {
            thinks = try fields.bool("think")
        }
    }

    private enum ThinkLevel: String, CaseIterable { case low, medium, high, max }

    /// What the template is told.
    ///
    /// - Parameter format: The model's.
    /// - Throws: 400 when the model is to think and cannot.
    func promptOptions(_ format: ChatFormat?) throws(RequestError) -> ChatPromptOptions {
        var options = ChatPromptOptions()
        guard let thinks else { return options }
        if thinks, format?.marksThoughts != true {
            throw .unsupported("think", "think is asked for, but the model does not support thinking")
        }
        options.variables = [.init("enable_thinking", .bool(thinks))]
        return options
    }
}

extension EngineRequest {
    /// Reads `options`: how tokens are drawn, and what ends the reply.
    ///
    /// - Parameters:
    ///   - fields: The request.
    ///   - use: The model.
    ///   - services: Has the defaults.
    /// - Throws: 400 with the parameter.
    mutating func readOptions(_ fields: Fields, use: ModelUse, services: Services) throws(RequestError) {
        let given = try fields.fields("options")
        let options = if let given { given } else { try Fields([:], at: "options") }
        let configuration = services.configuration
        sampling = try SamplingOptions(
            options, defaults: configuration.sampling.withOllamaDefaults, dryBreakers: configuration.dryBreakers,
            tokenizer: use.tokenizer)
        // -1 is no limit, and so is -2, which once filled the context: that is where every reply ends.
        if let limit = try options.int("num_predict", in: -2...Int(Int32.max)) {
            generation.maxTokens = limit < 0 ? nil : limit
        } else {
            generation.maxTokens = configuration.maxTokens
        }
        // A limit for this request: nothing is loaded anew for it.
        if let length = try options.int("num_ctx", in: 0...Int.max), length > 0 { contextLength = length }
        generation.stops = try options.stops()
        generation.rendersSpecialTokens = configuration.rendersSpecialTokens
        // Of the machine, which is the server's business.
        for name in ["num_keep", "num_batch", "num_thread", "num_gpu", "main_gpu"] {
            _ = try options.int(name, in: .min ... .max)
        }
        for name in ["use_mmap", "use_mlock", "numa", "low_vram"] { _ = try options.bool(name) }
    }
}

extension SamplingOptions {
    /// Ollama's defaults, where the server was not set up with others than its own.
    fileprivate var withOllamaDefaults: SamplingOptions {
        let standard = SamplingOptions()
        var options = self
        if topP == standard.topP { options.topP = 0.9 }
        if minP == standard.minP { options.minP = 0 }
        return options
    }
}
