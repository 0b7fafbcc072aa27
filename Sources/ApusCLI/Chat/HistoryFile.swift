// Where the lines of earlier conversations are kept.

import ApusGGUF

/// A file of lines, readable only by its owner, that is replaced as a whole.
struct HistoryFile {
    /// How many lines are kept.
    static let size: Int32 = 1000

    let path: String

    /// The file that an option names, or `apus/history` in the user's folder for state; nil for none.
    ///
    /// - Parameter option: A path; empty for none.
    init?(_ option: String?) {
        if let option {
            if option.isEmpty { return nil }
            path = option
            return
        }
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        // The XDG specification has relative paths ignored.
        let state = variable("XDG_STATE_HOME").flatMap { $0.hasPrefix("/") ? $0 : nil }
        guard let folder = state ?? variable("HOME").map({ $0 + "/.local/state" }) else { return nil }
        path = folder + "/apus/history"
    }

    /// Whether there is anything in it.
    var exists: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_size > 0
    }

    /// Puts another file in its place.
    ///
    /// - Parameter write: Writes the file of a given path, which is there and empty; false when it cannot.
    /// - Throws: `io` that names the file.
    func replace(_ write: (String) -> Bool) throws(ApusError) {
        makeFolders()
        let temporary = "\(path).\(getpid()).partial"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(errno) }
        close(descriptor)
        errno = 0
        guard write(temporary), rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw failure(code == 0 ? EIO : code)
        }
    }

    private func failure(_ code: Int32) -> ApusError {
        ApusError(.io, "\(ApusError.printable(path)): cannot write: \(String(cString: strerror(code)))")
    }

    private func makeFolders() {
        var end = path.startIndex
        while let slash = path[path.index(after: end)...].firstIndex(of: "/") {
            mkdir(String(path[..<slash]), 0o700)
            end = slash
        }
    }
}
