import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusTokenizer
import ArgumentParser

struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Tells how well a model expects a text.",
        discussion: """
            Entry i of nll is the negative log-likelihood, in nats, of token i+1 given tokens 0 to i. Given ids are taken \
            as they are; a text gets the tokens around it that the model wants.
            """)

    @OptionGroup var model: ModelOption

    @Option(
        name: [.customShort("f"), .customLong("file")], help: "The text, byte for byte; - is standard input.",
        completion: .file())
    var file: String?

    @Option(
        name: .customLong("ids"), help: "Token ids instead of a text: a file with a JSON array; - is standard input.",
        completion: .file(extensions: ["json"]))
    var idsFile: String?

    @OptionGroup var compute: ComputeOptions

    @Option(
        name: .customLong("logits-out"),
        help: "Write all logits to a file: little-endian 32-bit floats, [tokens, vocabulary].", completion: .file())
    var logitsFile: String?

    @Flag(name: .customLong("json"), help: "Print one JSON object: tokens, mean_nll, perplexity, ids, nll.")
    var json = false

    func validate() throws {
        if file == nil && idsFile == nil { throw ValidationError("no text: give -f TEXT or --ids FILE.json") }
        if file != nil && idsFile != nil { throw ValidationError("-f and --ids exclude each other: give one text") }
    }

    func run() throws {
        let path = try model.path()
        let input = try InputFile.readText(file ?? idsFile ?? "-")
        let engine = try Model.load(path: path, options: compute.loadOptions)
        let ids = try tokens(input, engine)
        guard ids.count <= engine.contextLength else {
            throw ApusError(
                .contextFull,
                "the text has \(ids.count) tokens and does not fit the context of \(engine.contextLength)")
        }
        Interrupt.beginGraceful()
        let output = try logitsFile.map { path throws(ApusError) in try LogitsFile(path: path) }
        let score = try ModelLocator.naming(path) { () throws(ApusError) in try self.score(ids, engine, output) }
        try output?.finish()
        Console.clearProgress()
        try report(ids, score)
        for warning in engine.tokenizer.warnings { Console.warn(warning) }
    }

    private func tokens(_ input: [UInt8], _ engine: Model) throws(ApusError) -> [Int32] {
        var ids: [Int32]
        if let idsFile {
            let name = idsFile == "-" ? "standard input" : ApusError.printable(idsFile)
            ids = try TokenIDs.parse(input, name: name, vocabularySize: engine.vocabularySize)
        } else {
            ids = engine.tokenizer.encode(input, addSpecial: true, parseSpecial: false)
        }
        if ids.isEmpty {
            throw ApusError(.invalidArgument, "\(ApusError.printable(file ?? idsFile ?? "")): has no tokens")
        }
        return ids
    }

    private func score(_ ids: [Int32], _ engine: Model, _ output: LogitsFile?) throws(ApusError) -> LikelihoodScore {
        let session = try Session(model: engine)
        var score = LikelihoodScore()
        var failure: ApusError?
        do throws(ApusError) {
            try session.evalAll(ids, cancellation: Interrupt.flag) { position, logits in
                if failure != nil { return }
                do throws(ApusError) {
                    try output?.write(UnsafeBufferPointer(logits))
                    if position + 1 < ids.count { try score.add(ids[position + 1], logits: logits.span) }
                } catch {
                    failure = error
                    // Nobody wants the rest any more.
                    Interrupt.flag.cancel()
                }
                showProgress(position + 1, of: ids.count, score)
            }
        } catch {
            throw failure ?? error
        }
        if let failure { throw failure }
        return score
    }

    private func showProgress(_ done: Int, of count: Int, _ score: LikelihoodScore) {
        guard Console.errorIsTerminal, done.isMultiple(of: 16) else { return }
        let perplexity = score.perplexity.map { ", perplexity \(decimal($0, 3))" } ?? ""
        Console.progress("\(done) of \(count) tokens\(perplexity)")
    }

    private func report(_ ids: [Int32], _ score: LikelihoodScore) throws(ApusError) {
        if json {
            let object: JSONValue = [
                "tokens": .int(ids.count),
                "mean_nll": score.mean.map(JSONValue.double) ?? .null,
                "perplexity": score.perplexity.map(JSONValue.double) ?? .null,
                "ids": .ints(ids),
                "nll": .doubles(score.negativeLogLikelihoods),
            ]
            try Console.writeLine(object.text)
        } else if let mean = score.mean, let perplexity = score.perplexity {
            try Console.writeLine(
                "perplexity \(decimal(perplexity, 4)), mean negative log-likelihood \(decimal(mean, 6)) nats, "
                    + "\(ids.count) tokens")
        } else {
            try Console.writeLine("no perplexity: the text has a single token, and the first is not scored")
        }
    }
}
