#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A model file that a library can load.
public struct LibraryEntry: Sendable, Hashable {
    /// The model's name, with its tag: `smollm2:latest`.
    public let name: String
    /// The file, or the first of its parts.
    public let path: String
    /// Bytes of that file.
    public let fileBytes: Int
    /// When it was last changed, in seconds since 1970.
    public let modified: Int

    /// Tells a file from one that has taken its place.
    let identity: Identity

    struct Identity: Sendable, Hashable {
        let path: String
        let device, inode, bytes, seconds, nanoseconds: Int
    }

    /// The name without `:latest`, which need not be said.
    public var shortName: String {
        name.hasSuffix(":latest") ? String(name.dropLast(":latest".count)) : name
    }
}

/// Finds model files by name. Every look reads the folder anew, so that files that are added appear.
///
/// A file `name.gguf` of the folder is `name:latest`, a file `name/tag.gguf` in a folder of it is `name:tag`. A name is only
/// ever compared with those found, never made a path of.
struct ModelFolder: Sendable {
    let folder: String?
    /// Files by path, called by their stems.
    let paths: [String]

    /// All models, in the order of their names; of several with a name, given paths come first.
    func entries() -> [LibraryEntry] {
        var found: [LibraryEntry] = []
        for path in paths {
            let file = path.split(separator: "/").last.map(String.init) ?? path
            if let entry = entry(path, name: "\(Self.stem(file) ?? file):latest") { found.append(entry) }
        }
        if let folder {
            for file in Self.files(in: folder) {
                if let stem = Self.stem(file), let entry = entry("\(folder)/\(file)", name: "\(stem):latest") {
                    found.append(entry)
                    continue
                }
                for tagged in Self.files(in: "\(folder)/\(file)") {
                    guard let tag = Self.stem(tagged),
                        let entry = entry("\(folder)/\(file)/\(tagged)", name: "\(file):\(tag)")
                    else { continue }
                    found.append(entry)
                }
            }
        }
        var names: Set<String> = []
        return found.filter { names.insert($0.name.lowercased()).inserted }
            .sorted { $0.name.lowercased() < $1.name.lowercased() }
    }

    /// The stem of a model's file, or of the first file of one in parts; nil for other files.
    private static func stem(_ file: String) -> String? {
        guard file.count > 5, file.lowercased().hasSuffix(".gguf"), !file.hasPrefix(".") else { return nil }
        let stem = file.dropLast(5)
        let fields = stem.split(separator: "-", omittingEmptySubsequences: false)
        guard fields.count > 3, fields[fields.count - 2] == "of", let part = Int(fields[fields.count - 3]),
            Int(fields[fields.count - 1]) != nil
        else { return String(stem) }
        return part == 1 ? fields.dropLast(3).joined(separator: "-") : nil
    }

    private func entry(_ path: String, name: String) -> LibraryEntry? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        return LibraryEntry(
            name: name, path: path, fileBytes: Int(status.st_size), modified: Int(time.tv_sec),
            identity: .init(
                path: path, device: Int(truncatingIfNeeded: status.st_dev),
                inode: Int(truncatingIfNeeded: status.st_ino),
                bytes: Int(status.st_size), seconds: Int(time.tv_sec), nanoseconds: Int(time.tv_nsec)))
    }

    private static func files(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let item = readdir(directory) {
            let name = withUnsafePointer(to: &item.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
