// Finds and checks the parts of a split model: NAME-00001-of-00003.gguf and its fellows.

/// The parts of a split model.
enum SplitSet {
    /// The most parts; every one keeps a file open.
    static let partLimit = 512

    /// What a header says of its place in a set.
    struct Part {
        /// Counted from 0.
        let number: Int
        let count: Int

        /// - Returns: nil for a file in one piece.
        init?(_ metadata: Metadata) throws(ApusError) {
            let count = try metadata.optionalInt("split.count", in: 0...Int(UInt16.max)) ?? 1
            let number = try metadata.optionalInt("split.no", in: 0...Int(UInt16.max)) ?? 0
            guard number < max(count, 1) else {
                throw metadata.mismatch("split.no", wanted: "0 to \(max(count, 1) - 1), since split.count is \(count)")
            }
            guard count > 1 else { return nil }
            guard count <= SplitSet.partLimit else {
                throw metadata.mismatch("split.count", wanted: "at most \(SplitSet.partLimit)")
            }
            self.number = number
            self.count = count
        }
    }

    /// Opens the other parts of the set that a file is the first of.
    ///
    /// - Returns: All parts in order; just the first for a file in one piece.
    static func open(
        first header: Header, source: FileSource, path: String
    ) throws(ApusError) -> (parts: [(path: String, source: FileSource)], headers: [Header]) {
        var parts = [(path: path, source: source)]
        var headers = [header]
        guard let first = try Part(header.metadata) else { return (parts, headers) }

        let shown = ApusError.printable(path)
        guard let name = SplitName(path), name.count == first.count, name.number == first.number + 1 else {
            throw ApusError(
                .format,
                "\(shown): is part \(first.number + 1) of \(first.count) by its split.no and split.count, so its name "
                    + "must end in \(SplitName.suffix(first.number + 1, of: first.count))")
        }
        guard first.number == 0 else {
            throw ApusError(
                .invalidArgument,
                "\(shown): is part \(name.number) of \(name.count); open the first part, "
                    + ApusError.printable(name.path(part: 1)))
        }

        var tensors = header.tensors.count
        for number in 1..<first.count {
            let path = name.path(part: number + 1)
            let shown = ApusError.printable(path)
            let source: FileSource
            do throws(ApusError) {
                source = try FileSource(path: path)
            } catch {
                throw ApusError(error.code, "part \(number + 1) of \(first.count) is missing: \(error.message)")
            }
            var parser = HeaderParser(source: source, name: shown, fileIndex: number)
            let header = try parser.parse()
            let part = try Part(header.metadata)
            guard part?.count == first.count else {
                throw header.metadata.mismatch("split.count", wanted: "\(first.count) as in part 1")
            }
            guard part?.number == number else {
                throw header.metadata.mismatch("split.no", wanted: "\(number) in part \(number + 1)")
            }
            tensors += header.tensors.count
            guard tensors <= HeaderLimits.tensors else {
                throw ApusError(.format, "\(shown): more than \(HeaderLimits.tensors) tensors in all parts")
            }
            parts.append((path, source))
            headers.append(
                Header(
                    version: header.version, metadata: Metadata(), tensors: header.tensors,
                    alignment: header.alignment, dataStart: header.dataStart))
        }
        if let wanted = try header.metadata.optionalInt("split.tensors.count"), wanted != tensors {
            throw header.metadata.mismatch("split.tensors.count", wanted: "\(tensors), the number in all parts")
        }
        return (parts, headers)
    }
}

/// A path that ends in `-00001-of-00003.gguf`.
struct SplitName {
    private let prefix: String
    /// Counted from 1.
    let number: Int
    let count: Int

    /// - Returns: nil when the path does not end so.
    init?(_ path: String) {
        let bytes = Array(path.utf8)
        let length = Self.suffix(1, of: 1).utf8.count
        guard bytes.count >= length else { return nil }
        let tail = Array(bytes.suffix(length))
        // -00001-of-00003.gguf: the numbers are at 1..<6 and 10..<15.
        guard let number = Self.number(tail[1..<6]), let count = Self.number(tail[10..<15]),
            tail == Array(Self.suffix(number, of: count).utf8)
        else { return nil }
        self.number = number
        self.count = count
        self.prefix = String(decoding: bytes.dropLast(length), as: UTF8.self)
    }

    /// The path of another part, counted from 1.
    func path(part: Int) -> String { prefix + Self.suffix(part, of: count) }

    /// The end of a part's name, counted from 1.
    static func suffix(_ part: Int, of count: Int) -> String {
        "-\(digits(part))-of-\(digits(count)).gguf"
    }

    private static func digits(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 5 - text.utf8.count)) + text
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var result = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            result = result * 10 + Int(digit - 48)
        }
        return result
    }
}
