internal import ApusAPI

package import Apus
package import ApusGGUF

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Copies and deletes files of the models' folder, and touches nothing outside of it.
///
/// Names that come with requests are checked letter by letter and opened inside of the folder without following links. A
/// copy is another name of the same file where the file system has that; else it is made beside and takes its place whole.
package struct ModelFiles: Sendable {
    /// The folder.
    package let folder: String

    /// Takes a folder.
    ///
    /// - Parameter folder: The folder.
    package init(folder: String) { self.folder = folder }

    /// A model's name, safe to be a file's.
    package struct Name: Sendable, Hashable {
        /// The name, without the tag.
        package let model: String
        /// The tag.
        package let tag: String

        /// Takes a name such as `smollm2:135m`; without tag it is `latest`.
        ///
        /// - Returns: nil when it has other characters than letters, digits and `_ . -`, or begins with one of the last two.
        package init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count), parts.allSatisfy(Self.isSafe) else { return nil }
            model = String(parts[0])
            tag = parts.count == 2 ? String(parts[1]) : "latest"
        }

        /// The rules of Ollama: 1 to 80 characters of ASCII.
        private static func isSafe(_ part: Substring) -> Bool {
            func isWord(_ byte: UInt8) -> Bool {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard (1...80).contains(part.utf8.count), let first = part.utf8.first, isWord(first) else { return false }
            return part.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
        }
    }

    /// Where a file stands: the folder inside of the models' folder, if it is in one, and its name.
    package struct Place: Sendable, Hashable {
        /// The folder in the models' folder; nil for the latter itself.
        package let folder: String?
        /// The file's name.
        package let file: String
    }

    /// The places of all parts of a model.
    ///
    /// - Parameter entry: A model of the library.
    /// - Returns: nil when it is not in the folder.
    package func places(of entry: LibraryEntry) -> [Place]? {
        guard entry.path.hasPrefix(folder + "/") else { return nil }
        let fields = entry.path.dropFirst(folder.count + 1).split(separator: "/").map(String.init)
        guard (1...2).contains(fields.count), let first = fields.last else { return nil }
        let inner = fields.count == 2 ? fields[0] : nil
        return Self.parts(first).map { Place(folder: inner, file: $0) }
    }

    /// Deletes a model's files.
    ///
    /// - Parameter places: Where they stand.
    /// - Throws: `ApusError` with code `notFound` when the first one is gone, `io` when the system refuses.
    package func delete(_ places: [Place]) throws(ApusError) {
        for (number, place) in places.enumerated() {
            try inFolder(place.folder) { directory throws(ApusError) in
                guard unlinkat(directory, place.file, 0) != 0, number == 0 || errno != ENOENT else { return }
                throw Self.failure("delete", place.file)
            }
        }
        // A folder of tags goes with the last one; the system leaves one alone that holds anything.
        if let inner = places.first?.folder { try inFolder(nil) { _ = unlinkat($0, inner, AT_REMOVEDIR) } }
    }

    /// Gives a model another name.
    ///
    /// - Parameters:
    ///   - entry: The model; it may be outside of the folder.
    ///   - name: The name.
    ///   - old: The files of a model that has the name already; they are gone afterwards.
    /// - Throws: `ApusError` with code `io` when the system refuses.
    package func copy(_ entry: LibraryEntry, to name: Name, replacing old: [Place] = []) throws(ApusError) {
        let file = entry.path.split(separator: "/").last.map(String.init) ?? entry.path
        let sources = Self.parts(file).map { String(entry.path.dropLast(file.count)) + $0 }
        let isTagged = name.tag != "latest"
        let inner = isTagged ? name.model : nil
        var made: Set<Place> = []
        if isTagged {
            try inFolder(nil) { directory throws(ApusError) in
                guard mkdirat(directory, name.model, 0o777) == 0 || errno == EEXIST else {
                    throw Self.failure("make", name.model)
                }
            }
        }
        try inFolder(inner) { directory throws(ApusError) in
            // Hidden until they are whole: the library passes over names that begin with a dot.
            let stem = isTagged ? name.tag : name.model
            let hidden = sources.indices.map { ".\(stem).\($0).\(UInt32.random(in: .min ... .max)).part" }
            defer { for file in hidden { unlinkat(directory, file, 0) } }
            for (source, file) in zip(sources, hidden) { try Self.duplicate(source, directory, file) }
            // The first part comes last: it is what makes a model of them.
            for (number, file) in hidden.enumerated().reversed() {
                let final = hidden.count == 1 ? "\(stem).gguf" : Self.part(stem, number + 1, of: hidden.count)
                guard renameat(directory, file, directory, final) == 0 else { throw Self.failure("write", final) }
                made.insert(Place(folder: inner, file: final))
            }
        }
        for place in old where !made.contains(place) { try delete([place]) }
    }

    // MARK: Parts

    /// The names of all parts of a model, given the first one's.
    private static func parts(_ file: String) -> [String] {
        let stem = file.dropLast(5)
        let fields = stem.split(separator: "-", omittingEmptySubsequences: false)
        guard fields.count > 3, fields[fields.count - 2] == "of", let count = Int(fields[fields.count - 1]),
            Int(fields[fields.count - 3]) == 1, (1...512).contains(count)
        else { return [file] }
        let name = fields.dropLast(3).joined(separator: "-")
        return (1...count).map { part(name, $0, of: count, suffix: String(file.suffix(5))) }
    }

    private static func part(_ name: String, _ number: Int, of count: Int, suffix: String = ".gguf") -> String {
        func padded(_ number: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, 5 - text.count)) + text
        }
        return "\(name)-\(padded(number))-of-\(padded(count))\(suffix)"
    }

    // MARK: The system

    /// Opens a folder inside of the models' folder, which must not be a link to somewhere else.
    private func inFolder(
        _ inner: String?, _ body: (Int32) throws(ApusError) -> Void
    ) throws(ApusError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let outer = open(folder, flags)
        guard outer >= 0 else { throw Self.failure("open", folder) }
        defer { close(outer) }
        guard let inner else { return try body(outer) }
        let directory = openat(outer, inner, flags | O_NOFOLLOW)
        guard directory >= 0 else { throw Self.failure("open", inner) }
        defer { close(directory) }
        try body(directory)
    }

    /// Makes a second name of a file, or else a file with the same content.
    private static func duplicate(_ source: String, _ directory: Int32, _ name: String) throws(ApusError) {
        if linkat(AT_FDCWD, source, directory, name, AT_SYMLINK_FOLLOW) == 0 { return }
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure("open", source) }
        defer { close(input) }
        let output = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard output >= 0 else { throw failure("write", name) }
        defer { close(output) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(input, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", source) }
            if count == 0 { break }
            var done = 0
            while done < count {
                let written = buffer.withUnsafeBytes { write(output, $0.baseAddress.map { $0 + done }, count - done) }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw failure("write", name) }
                done += written
            }
        }
        guard fsync(output) == 0 else { throw failure("write", name) }
    }

    private static func failure(_ verb: String, _ name: String) -> ApusError {
        let code = errno
        return ApusError(
            code == ENOENT ? .notFound : .io,
            "cannot \(verb) \(ApusError.quoted(name)): \(String(cString: strerror(code)))")
    }
}
