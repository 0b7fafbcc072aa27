internal import Apus
package import ApusGGUF

/// What a model's file says of itself, without its weights and its vocabulary.
package struct ModelDescription: Sendable, Hashable {
    /// Tells the file's content from others', in 64 hexadecimal digits; stays the same under another name.
    package var digest: String
    /// Bytes of all parts.
    package var fileBytes: Int
    /// `general.architecture`; empty where the file does not say it.
    package var architecture = ""
    /// The number of weights; 0 for a file that cannot be read.
    package var parameterCount = 0
    /// The kind of quantization, such as `Q4_K_M`.
    package var quantization = "unknown"
    /// Tokens of the context that the model was trained with, numbers of a state, and tokens of the vocabulary; 0 where the
    /// file does not say it.
    package var contextLength = 0, dimensions = 0, vocabularySize = 0
    /// Whether its chat template knows of thoughts before answers.
    package var marksThoughts = false

    /// A file of which nothing more is known.
    ///
    /// - Parameters:
    ///   - digest: Tells its content from others'.
    ///   - fileBytes: Bytes of all parts.
    package init(digest: String, fileBytes: Int) { (self.digest, self.fileBytes) = (digest, fileBytes) }

    /// Describes a file. Reads its header and pieces from everywhere, a quarter of a megabyte.
    ///
    /// - Parameters:
    ///   - path: The file, or the first of its parts.
    ///   - fileBytes: Its size.
    /// - Returns: What can be said; of a file that is no sound model only size and digest.
    /// - Throws: `ApusError` with code `io` when it cannot be read.
    package static func read(path: String, fileBytes: Int) throws(ApusError) -> ModelDescription {
        guard let file = try? GGUFFile(path: path) else {
            let digest = try digest(of: [path], headerBytes: min(fileBytes, 1 << 16))
            return ModelDescription(digest: digest, fileBytes: fileBytes)
        }
        var description = ModelDescription(
            digest: try digest(of: file.paths, headerBytes: file.headerBytes), fileBytes: file.fileBytes)
        description.architecture = (try? file.metadata.optionalString("general.architecture")) ?? ""
        let metadata = file.metadata
        func number(_ key: String) -> Int { max(0, (try? metadata.optionalInt(key)) ?? 0) }
        description.contextLength = number("\(description.architecture).context_length")
        description.dimensions = number("\(description.architecture).embedding_length")
        description.vocabularySize = metadata["tokenizer.ggml.tokens"]?.elementCount ?? 0
        let template = (try? metadata.optionalString("tokenizer.chat_template")) ?? ""
        description.marksThoughts = ChatFormat.marksThoughts(template)
        var shares: [UInt32: Int] = [:]
        for tensor in file.tensors {
            description.parameterCount = description.parameterCount.addingClamped(tensor.elementCount)
            shares[tensor.type.rawValue] = (shares[tensor.type.rawValue] ?? 0).addingClamped(tensor.elementCount)
        }
        let fileType = (try? file.metadata.optionalInt("general.file_type")) ?? -1
        let mostly = shares.max { ($0.value, $1.key) < ($1.value, $0.key) }
        if let name = QuantizationNames.name(fileType: fileType) ?? mostly.map({ GGMLType(rawValue: $0.key).name }) {
            description.quantization = name
        }
        return description
    }

    /// The number of weights as people write it: `134.52M`, `1B`.
    package var parameterSize: String {
        func text(_ unit: Int, _ decimals: Int, _ letter: String) -> String {
            if parameterCount % unit == 0 { return "\(parameterCount / unit)\(letter)" }
            let scale = decimals == 1 ? 10 : 100
            let rounded = (Double(parameterCount) / Double(unit) * Double(scale)).rounded()
            let (whole, part) = Int(rounded).quotientAndRemainder(dividingBy: scale)
            let digits = String(part)
            return "\(whole).\(String(repeating: "0", count: decimals - digits.count))\(digits)\(letter)"
        }
        switch parameterCount {
        case 1_000_000_000...: return text(1_000_000_000, 1, "B")
        case 1_000_000...: return text(1_000_000, 2, "M")
        case 1000...: return "\((parameterCount + 500) / 1000)K"
        default: return "\(parameterCount)"
        }
    }

    /// A hash over header, size, and pieces of the rest.
    private static func digest(of paths: [String], headerBytes: Int) throws(ApusError) -> String {
        let (pieces, pieceBytes) = (64, 4096)
        var hash = SHA256()
        for (number, path) in paths.enumerated() {
            let source = try FileSource(path: path)
            hash.update(Array("\(source.size)\n".utf8))
            hash.update(try source.bytes(at: 0, count: min(source.size, number == 0 ? headerBytes : 1 << 16)))
            let last = max(0, source.size - pieceBytes)
            for piece in 0..<pieces {
                hash.update(try source.bytes(at: last / (pieces - 1) * piece, count: min(source.size, pieceBytes)))
            }
        }
        return hash.hexDigest()
    }
}

/// What `general.file_type` means.
enum QuantizationNames {
    private static let names: [Int: String] = [
        0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
        12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
        19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
        26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0",
        37: "TQ2_0", 38: "MXFP4",
    ]

    /// The name of a kind; nil for a number without one.
    static func name(fileType: Int) -> String? { names[fileType] }
}

extension Int {
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
