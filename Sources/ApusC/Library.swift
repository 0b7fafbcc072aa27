internal import Apus
internal import ApusJSON
internal import ApusModel
public import CApus
internal import Glibc

// The functions about the library itself. What each promises stands in apus.h.

private let abi = UInt32(APUS_ABI_MAJOR) << 16 | UInt32(APUS_ABI_MINOR)

/// `apus_abi_version`: see apus.h.
@c @implementation public func apus_abi_version() -> UInt32 { abi }

/// The version, where it stays.
private let versionText = VersionText()

private struct VersionText: Sendable {
    // Safe to share: never written again.
    nonisolated(unsafe) let pointer: UnsafeMutablePointer<CChar>?
    init() { pointer = copy(ApusVersion.text) }
}

/// `apus_version`: see apus.h.
@c @implementation public func apus_version() -> UnsafePointer<CChar>? { UnsafePointer(versionText.pointer) }

/// `apus_system_info`: see apus.h.
@c @implementation public func apus_system_info(
    _ json: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let output = try wanted(json, "json")
        let info: JSONValue = [
            "version": .string(ApusVersion.text),
            "abi": .string("\(APUS_ABI_MAJOR).\(APUS_ABI_MINOR)"),
            "isa": .string(InstructionSet.active),
            "isas": .array(InstructionSet.available.map(JSONValue.string)),
            "threads": .int(InstructionSet.processorCount),
            "team": .string(InstructionSet.teamBackend),
            "handles": [
                "models": .int(Handles.count(ModelObject.self)), "engines": .int(Handles.count(EngineObject.self)),
                "requests": .int(Handles.count(RequestObject.self)),
                "sessions": .int(Handles.count(SessionObject.self)),
            ],
        ]
        output.pointee = copy(info.text)
    }
}

/// `apus_set_log_callback`: see apus.h.
@c @implementation public func apus_set_log_callback(
    _ callback: apus_log_callback?, _ user: UnsafeMutableRawPointer?
) {
    if !OwnerProcess.isForked { Log.send(to: callback, user) }
}

/// `apus_free`: see apus.h.
@c @implementation public func apus_free(_ pointer: UnsafeMutableRawPointer?) { free(pointer) }
