public import ApusGGUF
public import ApusModel

/// What generation needs of a model: a sequence that takes tokens and gives the logits of the next one.
///
/// `Session` is the real one. One caller at a time.
public protocol LogitsSource: AnyObject {
    /// The number of tokens that a logit is given for.
    var vocabularySize: Int { get }
    /// How many tokens the sequence can hold.
    var contextLength: Int { get }
    /// How many tokens the sequence holds.
    var position: Int { get }

    /// Appends tokens to the sequence and computes the logits after the last one.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary.
    ///   - cancellation: Is looked at between pieces of the work.
    /// - Throws: `ApusError` with code `contextFull`, `invalidArgument` (an id outside the vocabulary) or `cancelled`,
    ///   after which the sequence holds what it held before or a part of the tokens more.
    func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError)

    /// Gives access to the logits after the last token, (vocabularySize).
    ///
    /// - Parameter body: Must not keep the pointer.
    /// - Returns: What `body` returns.
    func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R
}

/// A sequence that can go back, so that a new prompt need not be computed where it begins like the last.
public protocol RewindableLogitsSource: LogitsSource {
    /// Drops tokens from the end of the sequence. Until the next `eval` there need be no logits.
    ///
    /// - Parameter length: How many to keep.
    func truncate(to length: Int)
}

/// A sequence that computes guessed tokens in one step, each with the logits that it would have alone.
public protocol VerifyingLogitsSource: RewindableLogitsSource {
    /// The most tokens that `verify` takes.
    var verifiableCount: Int { get }

    /// Appends a token and guesses at those after it, and keeps what is right.
    ///
    /// - Parameters:
    ///   - ids: Tokens of the vocabulary; all but the first one are guesses.
    ///   - cancellation: Is looked at between pieces of the work.
    ///   - onLogits: Gets the index in `ids` and the logits after that token, in order, until it returns false: the tokens
    ///     after that one are dropped, and these logits are those after the last token.
    /// - Throws: As `eval` does, and what `onLogits` throws; the sequence then holds what it held before.
    func verify(
        _ ids: [Int32], cancellation: CancellationFlag?,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Bool
    ) throws(ApusError)
}
