// What a model file's header says, gathered once for both forms of `apus inspect`.

import Apus
import ApusGGUF
import ApusModel
import ApusTokenizer

struct ModelSummary {
    /// The tensors of one type together.
    struct TypeShare {
        let type: GGMLType
        var tensors = 0
        var parameters = 0
        var bytes = 0
        var isSupported: Bool { WeightTypes.isSupported(type.rawValue) }
    }

    /// What the engine would need.
    struct Memory {
        let contextLength: Int
        let weightBytes: Int
        let cacheBytes: Int
        let bufferBytes: Int
        let totalBytes: Int
    }

    let file: GGUFFile
    let architecture: String?
    let spec: DecoderSpec?
    let types: [TypeShare]
    let tokenizer: (any Tokenizer)?
    let memory: Memory?
    /// Why the file cannot be run; a line each, empty when it can.
    let unsupported: [String]

    init(_ file: GGUFFile, contextLength: Int?) {
        self.file = file
        architecture = try? file.metadata.optionalString("general.architecture")
        types = Self.shares(of: file)

        var problems: [String] = []
        func attempt<T>(_ work: () throws(ApusError) -> T) -> T? {
            do throws(ApusError) {
                return try work()
            } catch {
                problems.append(error.message)
                return nil
            }
        }
        spec = attempt { () throws(ApusError) in try Architectures.spec(file.metadata) }
        tokenizer = attempt { () throws(ApusError) in try Self.tokenizer(of: file) }
        for share in types where !share.isSupported {
            problems.append(
                "type \(share.type) (tensors: \(share.tensors)), "
                    + "supported: \(WeightTypes.names.joined(separator: ", "))")
        }
        var requirements: DecoderWeights.Requirements?
        // A tensor of an unsupported type would only be reported a second time.
        if spec != nil && types.allSatisfy(\.isSupported) {
            requirements = attempt { () throws(ApusError) in try DecoderWeights.requirements(file) }
        }
        unsupported = problems
        memory = spec.flatMap { spec in
            Self.memory(spec, requirements: requirements, file, contextLength ?? spec.contextLength)
        }
    }

    /// The file's own name for the model.
    var name: String? { try? file.metadata.optionalString("general.name") }

    /// The number of weights.
    var parameters: Int { types.reduce(0) { $0 + $1.parameters } }

    /// The size of the chat template in bytes; nil when there is none.
    var chatTemplateBytes: Int? {
        (try? file.metadata.optionalString("tokenizer.chat_template"))?.utf8.count
    }

    /// The number of entries of an array of the metadata.
    func count(_ key: String) -> Int? {
        switch file.metadata[key] {
        case .strings(let strings): strings.count
        case .numbers(let numbers): numbers.count
        default: nil
        }
    }

    func string(_ key: String) -> String? { try? file.metadata.optionalString(key) }

    /// The tokenizer. Merges are what takes the time in making one, so above a limit they are counted, but not checked:
    /// a summary is to be there at once.
    private static func tokenizer(of file: GGUFFile) throws(ApusError) -> any Tokenizer {
        let key = "tokenizer.ggml.merges"
        let mostChecked = 100_000
        guard case .strings(let merges) = file.metadata[key], merges.count > mostChecked else {
            return try Tokenizers.make(file.metadata)
        }
        let none = Metadata.Value.strings(GGUFStringArray([]))
        let entries = file.metadata.entries.map { $0.key == key ? (key: key, value: none) : $0 }
        return try Tokenizers.make(Metadata(entries, source: ApusError.printable(file.paths[0])))
    }

    private static func shares(of file: GGUFFile) -> [TypeShare] {
        var shares: [UInt32: TypeShare] = [:]
        for tensor in file.tensors {
            var share = shares[tensor.type.rawValue] ?? TypeShare(type: tensor.type)
            share.tensors += 1
            // Counts of single tensors are checked; a sum of many may still be beyond 64 bits in a damaged file.
            share.parameters = share.parameters.addingClamped(tensor.elementCount)
            share.bytes = share.bytes.addingClamped(tensor.byteCount)
            shares[tensor.type.rawValue] = share
        }
        return shares.values.sorted { ($0.bytes, $1.type.rawValue) > ($1.bytes, $0.type.rawValue) }
    }

    /// Without a full check of the tensors, packed weights are taken to be as large as those in the file.
    private static func memory(
        _ spec: DecoderSpec, requirements: DecoderWeights.Requirements?, _ file: GGUFFile, _ contextLength: Int
    ) -> Memory? {
        guard let requirements else {
            let pages = (contextLength - 1) / KVCache.pagePositions + 1
            let (cache, overflow) = KVCache.pageBytes(spec).multipliedReportingOverflow(by: pages)
            let weights = file.tensors.reduce(0) { $0.addingClamped($1.byteCount) }
            let (total, tooMuch) = weights.addingReportingOverflow(cache)
            guard !overflow, !tooMuch else { return nil }
            return Memory(
                contextLength: contextLength, weightBytes: weights, cacheBytes: cache, bufferBytes: 0, totalBytes: total
            )
        }
        var options = LoadOptions()
        options.contextLength = contextLength
        guard let budget = try? MemoryBudget(requirements, spec: spec, options: options, available: nil) else {
            return nil
        }
        return Memory(
            contextLength: contextLength, weightBytes: budget.weightBytes, cacheBytes: budget.cacheBytes,
            bufferBytes: budget.bufferBytes, totalBytes: budget.totalBytes)
    }
}

extension Int {
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
