internal import ApusModel

/// What stands behind a handle of the C interface.
protocol Handled: AnyObject, Sendable {
    /// What such a handle is, in messages and in `apus_system_info`.
    static var kind: String { get }
}

/// The handles that were given out and not released.
///
/// A handle is a number, not an address: it is never given out twice, and whoever uses one that was released, is of another kind
/// or was never a handle, is told so. (It looks like an address that no process has, and differs from copy to copy of the
/// library.)
enum Handles {
    private struct Table {
        var next = 0x4000_0000_0000_0001 | UInt64.random(in: 1..<1 << 20) << 41
        var objects: [UInt64: any Handled] = [:]
    }

    private static let table = Locked(Table())

    /// Gives out a handle, which holds the object until it is released.
    static func add(_ object: any Handled) -> OpaquePointer? {
        let number = table.withLock { table in
            defer { table.next += 2 }
            table.objects[table.next] = object
            return table.next
        }
        return OpaquePointer(bitPattern: UInt(truncatingIfNeeded: number))
    }

    /// The object of a handle.
    ///
    /// - Throws: `CallError` when it is none of this kind.
    static func object<T: Handled>(_ handle: OpaquePointer?, _: T.Type = T.self) throws(CallError) -> T {
        guard let handle else { throw .invalid("the \(T.kind) is NULL") }
        guard let object = table.withLock({ $0.objects[number(handle)] }) as? T else {
            throw .invalid("the handle is no \(T.kind), or was released")
        }
        return object
    }

    /// Takes a handle back.
    ///
    /// - Returns: The object; nil when the handle is none of this kind.
    static func release<T: Handled>(_ handle: OpaquePointer?, _: T.Type = T.self) -> T? {
        guard let handle else { return nil }
        return table.withLock { table in
            guard let object = table.objects[number(handle)] as? T else { return nil }
            table.objects[number(handle)] = nil
            return object
        }
    }

    /// How many there are of a kind.
    static func count<T: Handled>(_: T.Type) -> Int {
        table.withLock { $0.objects.values.count { $0 is T } }
    }

    private static func number(_ handle: OpaquePointer) -> UInt64 { UInt64(UInt(bitPattern: handle)) }
}
