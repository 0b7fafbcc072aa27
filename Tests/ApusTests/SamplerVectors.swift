// What `Tests/Reference/sampler_vectors.py` prints, as values.

import Foundation

import Apus

/// The samplers in numpy: cases of one sampler, and chains of many steps.
struct SamplerVectors: Decodable {
    /// One sampler on one set of logits.
    struct Case: Decodable {
        let sampler: String
        let options: Options
        let logits: [Float?]
        let history: [Int32]
        /// What is kept, highest logit first.
        let ids: [Int32]
        let left: [Float?]

        var description: String { "\(sampler), \(logits.count) logits, \(history.count) tokens" }
    }

    /// Many steps of a chain. The logits of a step are `size` values of `pool` from the step's number on.
    struct Chain: Decodable {
        let options: Options
        let pool: [Float?]
        let size: Int
        let tokens: [Int32]
        let mu: Float
    }

    /// A chain and the probability with which it draws each token.
    struct Distribution: Decodable {
        let options: Options
        let logits: [Float]
        let history: [Int32]
        let probabilities: [Double]
    }

    /// The options that a case sets; the others are the defaults.
    struct Options: Decodable {
        let temperature, dynatempRange, dynatempExponent, topP, minP, typicalP, topNSigma: Float?
        let xtcProbability, xtcThreshold, repeatPenalty, presencePenalty, frequencyPenalty: Float?
        let dryMultiplier, dryBase, mirostatTau, mirostatEta: Float?
        let topK, repeatLastN, dryAllowedLength, dryPenaltyLastN, mirostat: Int?
        let dryBreakers: [[Int32]]?
        /// null bans.
        let logitBias: [String: Float?]?
        let samplers: [String]?
        let seed: UInt64?

        /// The engine's options.
        var sampling: SamplingOptions {
            var result = SamplingOptions()
            func set<Value>(_ path: WritableKeyPath<SamplingOptions, Value>, _ value: Value?) {
                if let value { result[keyPath: path] = value }
            }
            set(\.temperature, temperature)
            set(\.dynatempRange, dynatempRange)
            set(\.dynatempExponent, dynatempExponent)
            set(\.topP, topP)
            set(\.minP, minP)
            set(\.typicalP, typicalP)
            set(\.topNSigma, topNSigma)
            set(\.xtcProbability, xtcProbability)
            set(\.xtcThreshold, xtcThreshold)
            set(\.repeatPenalty, repeatPenalty)
            set(\.presencePenalty, presencePenalty)
            set(\.frequencyPenalty, frequencyPenalty)
            set(\.dryMultiplier, dryMultiplier)
            set(\.dryBase, dryBase)
            set(\.mirostatTau, mirostatTau)
            set(\.mirostatEta, mirostatEta)
            set(\.topK, topK)
            set(\.repeatLastN, repeatLastN)
            set(\.dryAllowedLength, dryAllowedLength)
            set(\.dryPenaltyLastN, dryPenaltyLastN)
            set(\.mirostat, mirostat)
            set(\.dryBreakers, dryBreakers)
            set(\.samplers, samplers)
            set(\.seed, seed)
            for (id, bias) in logitBias ?? [:] {
                if let id = Int32(id) { result.logitBias[id] = bias ?? -.infinity }
            }
            return result
        }
    }

    let cases: [Case]
    let chains: [Chain]
    let distributions: [Distribution]

    /// Runs the script, once for all tests.
    static let loaded = Result { try run() }

    private static func run() throws -> SamplerVectors {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let environment = ProcessInfo.processInfo.environment
        let standard = tests.deletingLastPathComponent().appendingPathComponent(".venv/bin/python").path
        let python = environment["APUS_PYTHON"].flatMap { $0.isEmpty ? nil : $0 } ?? standard
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw Failure(description: "no Python at \(python): `make setup` makes it, APUS_PYTHON names another")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-B", tests.appendingPathComponent("Reference/sampler_vectors.py").path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(python) sampler_vectors.py: exit \(process.terminationStatus)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in
            let name = path[path.count - 1].stringValue
            return Key(stringValue: Self.camelCase(name))
        }
        return try decoder.decode(SamplerVectors.self, from: text)
    }

    /// `top_n_sigma` as `topNSigma`.
    private static func camelCase(_ name: String) -> String {
        let words = name.split(separator: "_")
        let rest = words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }
        return ([words.first.map(String.init) ?? name] + rest).joined()
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
