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
    /// Drops tokens from the end of the sequence. The logits are those of before until the next `eval`.
    ///
    /// - Parameter length: How many to keep.
    func truncate(to length: Int)
}
