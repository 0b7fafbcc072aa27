internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusModel
internal import ApusTemplate
internal import ApusTokenizer
public import CApus

/// What a handle of a model stands for.
final class ModelObject: Handled {
    static let kind = "model"

    let model: Model
    /// Knows the model's own template.
    let requests = Requests(defaults: RequestDefaults())

    init(_ model: Model) { self.model = model }

    /// What the model is called in replies: its file without folder and ending.
    var name: String {
        let file = model.path.split(separator: "/").last.map(String.init) ?? model.path
        return file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file
    }
}

/// `apus_model_load`: see apus.h.
@c @implementation public func apus_model_load(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<CChar>?, _ progress: apus_progress_callback?,
    _ user: UnsafeMutableRawPointer?, _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let output = try wanted(model, "model")
        let file = try ApusC.path(path)
        let fields = try Options.read(options, names: ["n_threads", "n_ctx", "n_batch"])
        var load = LoadOptions()
        let most = Int(Int32.max)
        load.threads = try fields.int("n_threads", in: 1...maxThreads)
        load.contextLength = try fields.int("n_ctx", in: 1...most)
        load.chunkTokens = try fields.int("n_batch", in: 1...LoadOptions.maxChunkTokens) ?? load.chunkTokens
        let flag = CancellationFlag()
        OwnerProcess.claim()
        let start = ContinuousClock.now
        let loaded = try reading(file) { () throws(ApusError) in
            try Model.load(path: file, options: load, cancellation: flag) { share in
                if let progress, progress(share, user) != 0 { flag.cancel() }
            }
        }
        // Where it was the last call that said so.
        if flag.isCancelled { throw CallError(Int(APUS_CANCELLED), "loading was cancelled") }
        Log.write(.information, "loaded \(file) in \(ContinuousClock.now - start)")
        output.pointee = Handles.add(ModelObject(loaded))
    }
}

/// `apus_model_release`: see apus.h.
@c @implementation public func apus_model_release(_ model: OpaquePointer?) {
    if !OwnerProcess.isForked { _ = Handles.release(model, ModelObject.self) }
}

/// `apus_model_info`: see apus.h.
@c @implementation public func apus_model_info(
    _ model: OpaquePointer?, _ json: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let output = try wanted(json, "json")
        output.pointee = copy(ModelInfo.json(try Handles.object(model, ModelObject.self).model).text)
    }
}

/// `apus_tokenize`: see apus.h.
@c @implementation public func apus_tokenize(
    _ model: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int, _ flags: UInt32,
    _ tokens: UnsafeMutablePointer<Int32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let tokenizer = try Handles.object(model, ModelObject.self).model.tokenizer
        try checkFlags(flags, APUS_ADD_SPECIAL | APUS_PARSE_SPECIAL)
        let ids = tokenizer.encode(
            try bytes(text, length, "text"), addSpecial: flags & UInt32(APUS_ADD_SPECIAL) != 0,
            parseSpecial: flags & UInt32(APUS_PARSE_SPECIAL) != 0)
        try fill(tokens, capacity, count, with: ids)
    }
}

/// `apus_detokenize`: see apus.h.
@c @implementation public func apus_detokenize(
    _ model: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int, _ flags: UInt32,
    _ text: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ length: UnsafeMutablePointer<Int>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let tokenizer = try Handles.object(model, ModelObject.self).model.tokenizer
        try checkFlags(flags, APUS_RENDER_SPECIAL)
        let bytes = try tokenizer.decode(
            ids(tokens, count), renderSpecial: flags & UInt32(APUS_RENDER_SPECIAL) != 0)
        // Decoding repairs what is no character.
        let whole = String(decoding: bytes, as: UTF8.self).utf8.map { CChar(bitPattern: $0) }
        try fill(text, capacity, length, with: whole)
    }
}

/// `apus_apply_template`: see apus.h.
@c @implementation public func apus_apply_template(
    _ model: OpaquePointer?, _ request: UnsafePointer<CChar>?, _ requestLength: Int,
    _ prompt: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ promptLength: UnsafeMutablePointer<Int>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(model, ModelObject.self)
        let output = try wanted(prompt, "prompt")
        let fields = try Options.request(request, requestLength)
        let body = try TemplateBody(fields, defaults: object.requests.defaults)
        let format: ChatFormat
        if let source = try fields.string("chat_template") {
            format = try ChatFormat.find(object.model.metadata, object.model.tokenizer, replacedBy: source)
        } else {
            format = try object.requests.chatFormat(object.model, name: object.name)
        }
        let text = Array(try body.prompt(format).utf8)
        output.pointee = copy(text)
        promptLength?.pointee = text.count
    }
}

/// Refuses flags that a function does not have.
func checkFlags(_ flags: UInt32, _ known: Int) throws(CallError) {
    guard flags & ~UInt32(known) == 0 else { throw .invalid("flags is \(flags), wanted: any of \(known)") }
}
