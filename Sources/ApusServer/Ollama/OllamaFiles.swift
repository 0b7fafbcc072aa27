internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import Hummingbird
internal import Logging

extension OllamaRoutes {
    /// `DELETE /api/delete`: takes a model's files out of the folder.
    func delete(_ fields: Fields) async throws -> Response {
        let name = try modelName(fields)
        let (files, entry) = try folderEntry(name, "model")
        guard let places = files.places(of: entry) else {
            throw RequestError.invalid(
                "model", "model \(ApusError.quoted(name, limit: 200)) is not in the models' folder and is not deleted")
        }
        try await onDisk { () throws(ApusError) in try files.delete(places) }
        await services.library.unload(entry.name)
        return Response(status: .ok)
    }

    /// `POST /api/copy`: gives a model another name.
    func copy(_ fields: Fields) async throws -> Response {
        guard let source = try fields.string("source"), !source.isEmpty else {
            throw fields.missing("source", wanted: "the name of a model")
        }
        guard let text = try fields.string("destination"), !text.isEmpty else {
            throw fields.missing("destination", wanted: "a name")
        }
        let library = services.library
        guard let name = ModelFiles.Name(text) else {
            throw fields.wrong(
                "destination", .string(text), wanted: "NAME or NAME:TAG of letters, digits, '.', '_' and '-'")
        }
        guard let entry = library.entry(named: source) else { throw RequestError.modelNotFound(source) }
        guard let folder = library.options.folder else { throw Self.noFolder }
        let files = ModelFiles(folder: folder)
        // Of a model that has the name already, in capitals or small letters.
        let replaced = library.entry(named: text)
        let old = try replaced.map { replaced throws(RequestError) in
            guard Self.isNamed(replaced, text), replaced == entry || files.places(of: replaced) != nil else {
                throw .invalid(
                    "destination", "destination: \(ApusError.quoted(text)) is the name of a model outside of the folder"
                )
            }
            return files.places(of: replaced) ?? []
        }
        if replaced == entry { return Response(status: .ok) }
        try await onDisk { () throws(ApusError) in
            try files.copy(entry, to: name, replacing: old ?? [])
        }
        if let replaced { await library.unload(replaced.name) }
        return Response(status: .ok)
    }

    private static let noFolder = RequestError.invalid("model", "this server has no models' folder")

    /// The model of a name, which must be its own and not another one that it was given.
    private func folderEntry(_ name: String, _ field: String) throws(RequestError) -> (ModelFiles, LibraryEntry) {
        guard let entry = services.library.entry(named: name) else { throw .modelNotFound(name) }
        guard Self.isNamed(entry, name) else {
            let (given, own) = (ApusError.quoted(name, limit: 200), ApusError.quoted(entry.name, limit: 200))
            throw .invalid(field, "\(given) is another name of \(own)")
        }
        guard let folder = services.library.options.folder else { throw Self.noFolder }
        return (ModelFiles(folder: folder), entry)
    }

    private static func isNamed(_ entry: LibraryEntry, _ name: String) -> Bool {
        [entry.name, entry.shortName].contains { $0.lowercased() == name.lowercased() }
    }

    /// Does something with files, on a thread that may wait for the disk.
    private func onDisk(_ work: @escaping @Sendable () throws(ApusError) -> Void) async throws {
        do {
            try await DetachedThread.run { Result { () throws(ApusError) in try work() } }.get()
        } catch {
            services.logger.error("the models' folder cannot be changed", metadata: ["error": "\(error)"])
            throw RequestError(error, parameter: "model")
        }
    }
}
