// The generated text on its way to standard output.

import ApusGGUF

/// Writes a text piece by piece.
final class TextOutput {
    private let isSilent: Bool
    private var endsLine = true
    /// Whether whoever reads the text has gone.
    private(set) var isClosed = false
    /// Whether nothing was written yet.
    private(set) var isEmpty = true
    /// What kept the text from being written, if anything but a closed pipe did.
    private(set) var failure: ApusError?

    init(isSilent: Bool) {
        self.isSilent = isSilent
    }

    /// Writes a piece; false when no more is wanted.
    func write(_ piece: String) -> Bool {
        if isSilent { return true }
        do throws(ApusError) {
            isClosed = try !Console.write(Array(piece.utf8))
        } catch {
            failure = error
            return false
        }
        endsLine = piece.utf8.last == 0x0A
        isEmpty = false
        return !isClosed
    }

    /// Ends the line of a reply, also of an empty one: a program reads line by line.
    func endReply() throws(ApusError) {
        if isClosed || endsLine && !isEmpty { return }
        isClosed = try !Console.write([0x0A])
    }

    /// Ends the line where a person would see it go on: on a terminal, or where the statistics follow.
    func endLine() throws(ApusError) {
        if endsLine || isClosed || isSilent { return }
        if Console.outputIsTerminal || Console.outputMeetsError { _ = try Console.write([0x0A]) }
    }
}
