internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusModel
internal import ApusTokenizer

/// What is told of a model.
enum ModelInfo {
    /// Longer arrays, such as vocabularies, are not told.
    private static let mostElements = 64

    /// The object.
    static func json(_ model: Model) -> JSONValue {
        let (spec, tokenizer) = (model.weights.spec, model.tokenizer)
        func id(_ id: Int32?) -> JSONValue { id.map { .int(Int($0)) } ?? .null }
        func text(_ key: String) -> JSONValue {
            ((try? model.metadata.optionalString(key)) ?? nil).map(JSONValue.string) ?? .null
        }
        return [
            "path": .string(model.path), "architecture": text("general.architecture"),
            "n_vocab": .int(model.vocabularySize), "n_ctx": .int(model.contextLength),
            "n_ctx_train": .int(spec.contextLength), "n_embd": .int(spec.dim), "n_layer": .int(spec.layers),
            "n_params": .int(model.weights.parameterCount), "size": .int(model.fileBytes),
            "bos_token_id": id(tokenizer.bosID), "eos_token_id": id(tokenizer.eosID),
            "eog_token_ids": .ints(tokenizer.endOfGenerationIDs.sorted()), "add_bos_token": .bool(tokenizer.addsBOS),
            "chat_template": text("tokenizer.chat_template"),
            "metadata": .object(
                model.metadata.entries.map { .init($0.key, JSONValue($0.value, mostElements: mostElements)) }),
        ]
    }
}
