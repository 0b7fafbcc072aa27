internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusTemplate
internal import ApusTokenizer
internal import Hummingbird

extension OllamaRoutes {
    /// `POST /api/generate`: a reply to a question; without one the model is loaded or unloaded.
    func generate(_ call: Call) async throws -> Response {
        let start = ContinuousClock.now
        let fields = try call.fields()
        let options = try OllamaOptions(fields)
        let question = try OllamaQuestion(fields)
        let kind = OllamaReply.Kind.generate(hasContext: !question.isRaw)
        let signal = await call.cancelSignal()
        if question.prompt.isEmpty { return try await loadOrUnload(fields, kind, signal: signal) }
        let use = try await use(fields, signal: signal)
        // A template that came with the request may take seconds, which Swift's own threads have not.
        let executor = question.hasTemplate ? ThreadExecutor.shared : nil
        let (prompt, thoughts) = try await withTaskExecutorPreference(executor) {
            try question.request(use, services, options)
        }
        var request = EngineRequest(prompt)
        try request.readOptions(fields, use: use, services: services)
        request.logProbabilities = options.logProbabilities
        let reply = OllamaReply(
            kind: kind, use: use, start: start, hasLogProbabilities: options.logProbabilities != nil,
            thoughts: services.told(thoughts))
        return try await answer(request, reply, isStreamed: options.isStreamed, parameter: "prompt", to: call)
    }
}

/// The question of a generate request, and how it becomes a prompt.
struct OllamaQuestion {
    /// The question.
    let prompt: String
    /// Whether it is the whole prompt as it is.
    let isRaw: Bool

    /// Whether it has a template of its own.
    var hasTemplate: Bool { template != nil }

    /// As many as the interpreter takes of Jinja.
    private static let mostTemplateBytes = 1 << 20

    private let system: String
    private let template: String?
    /// Tokens of the talk so far.
    private let context: JSONValue?
    private let fields: Fields

    /// Reads it.
    ///
    /// - Throws: 400 with the parameter.
    init(_ fields: Fields) throws(RequestError) {
        self.fields = fields
        prompt = try fields.string("prompt") ?? ""
        isRaw = try fields.bool("raw") ?? false
        system = try fields.string("system") ?? ""
        let template = try fields.string("template")
        self.template = template == "" ? nil : template
        if let bytes = template?.utf8.count, bytes > Self.mostTemplateBytes {
            throw .invalid(
                "template", "template has \(bytes) bytes, wanted: at most \(Self.mostTemplateBytes)",
                code: "invalid_value")
        }
        context = try fields.array("context").map(JSONValue.array)
        if isRaw, !system.isEmpty || self.template != nil || context != nil {
            throw .invalid("raw", "raw is true, which does not go with template, system or context")
        }
    }

    /// What the engine is given.
    ///
    /// - Parameters:
    ///   - use: The model.
    ///   - services: Knows its form of chat.
    ///   - options: What else the request says.
    /// - Returns: The prompt, and what tells thoughts from the answer.
    /// - Throws: 400 with the parameter.
    func request(
        _ use: ModelUse, _ services: Services, _ options: OllamaOptions
    ) throws(RequestError) -> (EngineRequest.Prompt, ThoughtSplitter?) {
        if isRaw { return (.text(Array(prompt.utf8), parseSpecial: true), nil) }
        let format = try? services.requests.chatFormat(use)
        let options = try options.promptOptions(format).with(services.requests.defaults)
        func thoughts(_ rendered: RenderedPrompt) -> ThoughtSplitter? {
            template == nil && format?.marksThoughts == true ? ThoughtSplitter(after: rendered.bytes) : nil
        }
        if let context {
            let ids = try fields.ids(context, "context", vocabularySize: use.tokenizer.vocabularySize)
            let next = try continuation(use, format, options)
            let more = use.tokenizer.encode(
                next.bytes, addSpecial: false, parseSpecial: true, literal: next.foreign)
            return (.ids(ids + more), thoughts(next))
        }
        guard let rendered = try rendered(use, format, options) else {
            // A model that was never taught to converse.
            return (.text(Array(prompt.utf8), parseSpecial: false), nil)
        }
        return (.ids(ChatFormat.ids(of: rendered, tokenizer: use.tokenizer)), thoughts(rendered))
    }

    private var messages: [ChatMessage] {
        (system.isEmpty ? [] : [ChatMessage(role: "system", content: system)])
            + [ChatMessage(role: "user", content: prompt)]
    }

    /// The prompt by the request's template or else the model's; nil when there is neither.
    private func rendered(
        _ use: ModelUse, _ format: ChatFormat?, _ options: ChatPromptOptions
    ) throws(RequestError) -> RenderedPrompt? {
        guard let template else {
            guard let format else { return nil }
            return try Self.naming("prompt") { () throws(ApusError) in try format.prompt(messages, options: options) }
        }
        return try Self.naming("template") { () throws(ApusError) in
            if template.contains("{%") {
                return try ChatFormat(source: template, metadata: use.model.metadata).prompt(messages, options: options)
            }
            return try GoTemplate(template).prompt(prompt, system: system)
        }
    }

    /// What comes after an answer: its end, and the question.
    private func continuation(
        _ use: ModelUse, _ format: ChatFormat?, _ options: ChatPromptOptions
    ) throws(RequestError) -> RenderedPrompt {
        // With instructions or a template of its own it is said as a talk that begins.
        if template == nil, system.isEmpty, let format {
            let answer = "\u{F8F0}"
            let talk = [
                ChatMessage(role: "user", content: "?"), ChatMessage(role: "assistant", content: answer),
                ChatMessage(role: "user", content: prompt),
            ]
            let mark = Array(answer.utf8)
            if let whole = try? format.prompt(talk, options: options), let end = whole.bytes.firstIndex(of: mark) {
                return whole.part(end + mark.count..<whole.bytes.count)
            }
        }
        if let rendered = try rendered(use, format, options) { return rendered }
        return try Self.naming("prompt") { () throws(ApusError) in
            try GoTemplate("{{ .Prompt }}").prompt(prompt, system: "")
        }
    }

    private static func naming<R>(
        _ field: String, _ work: () throws(ApusError) -> R
    ) throws(RequestError) -> R {
        do {
            return try work()
        } catch {
            let message = error.message.hasPrefix(field) ? error.message : "\(field): \(error.message)"
            throw .invalid(field, message, code: "template_error")
        }
    }
}
