// The two forms of a model's summary.

import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusTokenizer

// MARK: - For people

extension ModelSummary {
    /// The summary as lines.
    func lines(withTensors: Bool) -> [String] {
        var lines: [String] = []
        func add(_ label: String, _ text: String) {
            lines.append(label + String(repeating: " ", count: max(1, 14 - label.count)) + text)
        }
        for path in file.paths { add("file", ApusError.printable(path)) }
        add("format", "GGUF version \(file.version), alignment \(file.alignment)")
        if let name { add("name", ApusError.printable(name, limit: 200)) }
        add("architecture", architecture.map { ApusError.printable($0, limit: 100) } ?? "not named")
        add("size", "\(byteCount(file.fileBytes)), \(grouped(parameters)) parameters, \(file.tensors.count) tensors")
        if let spec {
            let heads = "\(spec.heads) heads of \(spec.headDim), \(spec.kvHeads) for keys and values"
            add("layers", "\(spec.layers) of width \(spec.dim), feed-forward \(spec.hiddenDim), \(heads)")
            add("context", "trained for \(grouped(spec.contextLength)) tokens")
        }
        for share in types {
            let mark = share.isSupported ? "" : ", not supported"
            let tensors = share.tensors == 1 ? "1 tensor" : "\(share.tensors) tensors"
            add("type \(share.type)", "\(tensors), \(byteCount(share.bytes))\(mark)")
        }
        add("tokenizer", tokenizerText)
        add("chat template", chatTemplateBytes.map { "\($0) bytes" } ?? "none")
        if let memory {
            add(
                "memory",
                "\(byteCount(memory.totalBytes)) for a context of \(grouped(memory.contextLength)): "
                    + "weights \(byteCount(memory.weightBytes)), cache \(byteCount(memory.cacheBytes)), "
                    + "activations \(byteCount(memory.bufferBytes))")
        }
        for problem in unsupported { add("not supported", problem) }
        if unsupported.isEmpty { add("supported", "yes") }
        for warning in tokenizer?.warnings ?? [] { add("warning", warning) }
        if withTensors {
            for tensor in file.tensors {
                lines.append("tensor \(ApusError.printable(tensor.name, limit: 200)) \(tensor.type) \(tensor.shape)")
            }
        }
        return lines
    }

    private var tokenizerText: String {
        guard let tokenizer else {
            let model = string("tokenizer.ggml.model").map { ApusError.printable($0, limit: 100) } ?? "none"
            let pre = string("tokenizer.ggml.pre").map { " (\(ApusError.printable($0, limit: 100)))" } ?? ""
            return "\(model)\(pre), not supported"
        }
        var parts = [tokenizer.summary, "\(grouped(tokenizer.vocabularySize)) tokens"]
        if let merges = count("tokenizer.ggml.merges") { parts.append("\(grouped(merges)) merges") }
        for (label, id) in [("begin", tokenizer.bosID), ("end", tokenizer.eosID)] {
            if let id { parts.append("\(label) \(ApusError.printable(tokenizer.tokenText(id), limit: 60))") }
        }
        return parts.joined(separator: ", ")
    }

    /// A number with commas between groups of three digits.
    private func grouped(_ number: Int) -> String {
        let digits = String(number)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index).isMultiple(of: 3) { result.append(",") }
            result.append(digit)
        }
        return result
    }
}

// MARK: - For programs

extension ModelSummary {
    /// The summary as an object.
    func json(withTensors: Bool) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("paths", .array(file.paths.map(JSONValue.string))),
            .init("gguf_version", .int(file.version)),
            .init("architecture", architecture.map(JSONValue.string) ?? .null),
            .init("name", name.map(JSONValue.string) ?? .null),
            .init("file_bytes", .int(file.fileBytes)),
            .init("header_bytes", .int(file.headerBytes)),
            .init("alignment", .int(file.alignment)),
            .init("parameters", .int(parameters)),
            .init("tensor_count", .int(file.tensors.count)),
            .init("types", .array(types.map(json))),
            .init("model", modelJSON),
            .init("tokenizer", tokenizerJSON),
            .init("chat_template", .bool(chatTemplateBytes != nil)),
            .init("memory", memoryJSON),
            .init("supported", .bool(unsupported.isEmpty)),
            .init("unsupported", .array(unsupported.map(JSONValue.string))),
            .init("warnings", .array((tokenizer?.warnings ?? []).map(JSONValue.string))),
        ]
        if withTensors { members.append(.init("tensors", .array(file.tensors.map(json)))) }
        return .object(members)
    }

    private func json(_ share: TypeShare) -> JSONValue {
        [
            "type": .string(share.type.name), "tensors": .int(share.tensors), "parameters": .int(share.parameters),
            "bytes": .int(share.bytes), "supported": .bool(share.isSupported),
        ]
    }

    private func json(_ tensor: TensorInfo) -> JSONValue {
        [
            "name": .string(tensor.name), "type": .string(tensor.type.name), "shape": .ints(tensor.shape),
            "bytes": .int(tensor.byteCount), "file": .int(tensor.fileIndex), "offset": .int(tensor.offset),
        ]
    }

    private var modelJSON: JSONValue {
        guard let spec else { return .null }
        return [
            "context_length": .int(spec.contextLength), "embedding_length": .int(spec.dim),
            "layers": .int(spec.layers), "heads": .int(spec.heads), "kv_heads": .int(spec.kvHeads),
            "head_dim": .int(spec.headDim), "value_dim": .int(spec.valueDim),
            "feed_forward_length": .int(spec.hiddenDim), "rope_theta": .double(spec.rope.theta),
        ]
    }

    private var tokenizerJSON: JSONValue {
        func id(_ id: Int32?) -> JSONValue { id.map { .int(Int($0)) } ?? .null }
        func count(_ key: String) -> JSONValue { self.count(key).map(JSONValue.int) ?? .null }
        return [
            "model": string("tokenizer.ggml.model").map(JSONValue.string) ?? .null,
            "pre": string("tokenizer.ggml.pre").map(JSONValue.string) ?? .null,
            "tokens": count("tokenizer.ggml.tokens"),
            "merges": count("tokenizer.ggml.merges"),
            "bos_id": id(tokenizer?.bosID),
            "eos_id": id(tokenizer?.eosID),
            "end_of_generation_ids": .ints((tokenizer?.endOfGenerationIDs ?? []).sorted()),
            "adds_bos": tokenizer.map { .bool($0.addsBOS) } ?? .null,
            "supported": .bool(tokenizer != nil),
        ]
    }

    private var memoryJSON: JSONValue {
        guard let memory else { return .null }
        return [
            "context_length": .int(memory.contextLength), "weight_bytes": .int(memory.weightBytes),
            "cache_bytes": .int(memory.cacheBytes), "buffer_bytes": .int(memory.bufferBytes),
            "total_bytes": .int(memory.totalBytes),
        ]
    }
}
