internal import Glibc

/// Tells of something new: threads that wait, and an event loop that watches a descriptor.
final class Bell: Sendable {
    /// What an event loop wants written, once, and where.
    private struct Watch {
        let descriptor: Int32
        let tag: UInt64
    }

    private let monitor = Monitor()
    // Safe to share: touched inside of `monitor` only.
    nonisolated(unsafe) private var rings = 0
    nonisolated(unsafe) private var watch: Watch?

    /// How often it has rung.
    var count: Int { monitor.locked { rings } }

    /// Whether an event loop waits to be told.
    var isWatched: Bool { monitor.locked { watch != nil } }

    /// Tells of something new. From any thread, the computing one too.
    func ring() {
        monitor.locked {
            rings += 1
            guard let watch else { return }
            let written = withUnsafeBytes(of: watch.tag) { write(watch.descriptor, $0.baseAddress, $0.count) }
            // Where there is no room it is tried again the next time.
            if written > 0 { self.watch = nil }
        }
        monitor.notify()
    }

    /// Waits until it rings.
    ///
    /// - Parameters:
    ///   - seen: How often it had rung when the caller looked for news.
    ///   - deadline: When to give up.
    /// - Returns: False when it is time.
    func wait(after seen: Int, until deadline: Deadline) -> Bool {
        monitor.locked {
            while rings == seen {
                if !monitor.wait(until: deadline) { return rings != seen }
            }
            return true
        }
    }

    /// Writes a tag to a descriptor of the caller's when it rings the next time; nothing when that is negative.
    func watch(_ descriptor: Int32, tag: UInt64) {
        monitor.locked { watch = descriptor < 0 ? nil : Watch(descriptor: descriptor, tag: tag) }
    }
}
