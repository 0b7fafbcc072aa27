// From what -m says to a file: a path, or the beginning of a name in the model folder.

import ApusGGUF

/// Finds model files.
enum ModelLocator {
    /// The path of a model.
    ///
    /// What exists is a path. What does not, but has a slash, is a path too, so that the error is about that path. All
    /// else is a name: a file of the model folder whose name is it, or else the only one whose name begins with it,
    /// upper or lower case.
    ///
    /// - Throws: `io` when there is no such model, or more than one, with what there is.
    static func path(for argument: String) throws(ApusError) -> String {
        var status = stat()
        if stat(argument, &status) == 0 || argument.contains("/") || argument.isEmpty { return argument }
        let quoted = ApusError.quoted(argument)
        guard let folder = folder() else {
            throw ApusError(
                .io, "\(quoted): no such file, and no model folder (APUS_MODELS or ./models) to look for the name in")
        }
        let names = modelNames(in: folder)
        let wanted = argument.lowercased()
        let exact = names.filter { $0.lowercased() == wanted || stem($0).lowercased() == wanted }
        let matches = exact.isEmpty ? names.filter { $0.lowercased().hasPrefix(wanted) } : exact
        if let only = matches.first, matches.count == 1 { return "\(folder)/\(only)" }
        let shown = ApusError.printable(folder)
        if matches.count > 1 {
            throw ApusError(.io, "\(quoted) could be any of \(list(matches)) in \(shown)")
        }
        let there = names.isEmpty ? "which has no models" : "which has \(list(names))"
        throw ApusError(.io, "\(quoted): no such file, and no model of that name in \(shown), \(there)")
    }

    /// Does some work with a model, and puts the file's name before what is found wrong with it on the way.
    static func naming<T>(_ path: String, _ work: () throws(ApusError) -> T) throws(ApusError) -> T {
        do {
            return try work()
        } catch {
            guard error.code == .format || error.code == .unsupported else { throw error }
            throw ApusError(error.code, "\(ApusError.printable(path)): \(error.message)")
        }
    }

    /// The folder that names are looked for in: $APUS_MODELS, or else ./models, or else the folder `models` of the
    /// project whose build folder the command lies in.
    static func folder() -> String? {
        if let named = getenv("APUS_MODELS").map({ String(cString: $0) }), !named.isEmpty { return named }
        if isFolder("models") { return "models" }
        var folder = executableFolder()
        // From .build/<triple>/release up to the project's top.
        for _ in 0..<6 {
            if isFolder("\(folder)/models") { return "\(folder)/models" }
            guard let slash = folder.lastIndex(of: "/"), slash > folder.startIndex else { break }
            folder = String(folder[..<slash])
        }
        return nil
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func executableFolder() -> String {
        let path = CommandLine.arguments.first ?? ""
        #if os(Linux)
            let link = "/proc/self/exe"
        #else
            let link = path
        #endif
        guard let resolved = realpath(link, nil) else { return "." }
        defer { free(resolved) }
        let full = String(cString: resolved)
        return full.lastIndex(of: "/").map { String(full[..<$0]) } ?? "."
    }

    /// The names of the models of a folder, sorted; of a split set the first part only.
    private static func modelNames(in folder: String) -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                    String(cString: $0)
                }
            }
            if name.lowercased().hasSuffix(".gguf") && !name.hasPrefix(".") && !isLaterPart(name) { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether a name is that of a split set's second or later part, as in `model-00002-of-00003.gguf`.
    private static func isLaterPart(_ name: String) -> Bool {
        let parts = stem(name).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 2] == "of", parts[parts.count - 1].count == 5 else { return false }
        let number = parts[parts.count - 3]
        return number.count == 5 && number != "00001" && number.allSatisfy(\.isASCII) && Int(number) != nil
    }

    private static func stem(_ name: String) -> String {
        name.lowercased().hasSuffix(".gguf") ? String(name.dropLast(5)) : name
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(20).map { ApusError.printable(stem($0)) }.joined(separator: ", ")
        return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
    }
}
