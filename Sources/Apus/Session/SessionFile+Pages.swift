internal import ApusGGUF
internal import ApusModel

// A session file's pages, one at a time: they may be bigger than the memory that is left.

extension SessionFile {
    /// Writes the whole file, which appears when it is complete, in place of an older one.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - page: Gives the contents of a page by its index.
    func write(to path: String, page: (Int) -> [UInt8]) throws(ApusError) {
        var checksum = Checksum()
        let output = try OutputFile(path: path)
        func write(_ bytes: [UInt8]) throws(ApusError) {
            checksum.add(bytes)
            try output.write(bytes)
        }
        try write(head)
        for index in 0..<pageCount { try write(page(index)) }
        try output.write(checksum.bytes)
        try output.finish()
    }

    /// A file whose header has been read and found to be for a model.
    struct Reader {
        let file: SessionFile
        private let path: String
        private let source: FileSource

        /// Opens a file; its parameters are those of `SessionFile.init`.
        init(path: String, wanted: SessionFile, limit: Int, vocabularySize: Int) throws(ApusError) {
            self.path = path
            source = try FileSource(path: path)
            file = try SessionFile(source, path: path, wanted: wanted, limit: limit, vocabularySize: vocabularySize)
        }

        /// Reads the pages, and then checks that all was as it was written.
        ///
        /// - Parameter onPage: Gets each page's contents, and how many of its positions count.
        func read(onPage: ([UInt8], Int) throws(ApusError) -> Void) throws(ApusError) {
            var checksum = Checksum()
            checksum.add(file.head)
            var offset = file.head.count
            for index in 0..<file.pageCount {
                let bytes = try source.bytes(at: offset, count: file.pageBytes)
                guard bytes.count == file.pageBytes else { break }
                checksum.add(bytes)
                offset += bytes.count
                try onPage(bytes, min(KVCache.pagePositions, file.tokens.count - index * KVCache.pagePositions))
            }
            guard try source.bytes(at: offset, count: 8) == checksum.bytes else {
                throw ApusError(.format, "\(ApusError.printable(path)): is damaged, its checksum is another one")
            }
        }
    }

    /// A hash over the words of 32 bits of all before it.
    private struct Checksum {
        private var hash = LogitsHash()

        mutating func add(_ bytes: [UInt8]) {
            var bytes = bytes
            bytes.withUnsafeMutableBytes { hash.combine($0.bindMemory(to: Float.self)) }
        }

        var bytes: [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendNumber(hash.value)
            return bytes
        }
    }
}

extension [UInt8] {
    /// Adds a number, its lowest byte first.
    mutating func appendNumber<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { self += $0 }
    }
}
