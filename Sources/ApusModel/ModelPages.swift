package import ApusGGUF
internal import CKernels
internal import Synchronization

/// Chooses the pages under a model's weights, which every step reads from end to end, and under its activations.
///
/// Huge pages are read faster than those of 4 KB, by 2 to 10 % and on some days by a third. But a virtual machine that gives free memory
/// back to its host (free page reporting) gives it in blocks of that size, and each costs milliseconds to get again: more
/// than to read and pack the weights. So where huge pages turn out to be slow to get, a model is loaded into
/// small ones, and they are merged little by little once many steps have read them. Activations, of which a step of one
/// token uses a corner of many pages, always begin with small ones.
package final class ModelPages: Sendable {
    /// What they are under.
    package let memory: Pages

    /// Bytes of a huge page.
    private static let pageBytes = Int(APUS_HUGE_PAGE)
    /// From when on a huge page counts as slow: small ones take a third of this.
    package static let slowPage = Duration.milliseconds(2)
    private let slowPage: Duration
    /// Slow pages that decide: fewer are a disturbance of the machine.
    private static let slowPages = 4
    /// Pages got ahead of those that are written, so that threads that write beside each other do not get the same one.
    private static let pagesAhead = 2
    /// Steps before small pages are merged. To merge one takes 2.4 ms, and a step loses 1 to 14 microseconds while it is not.
    package static let patience = 250
    /// The part of a step's time that is spent on merging after it; one page is merged in any case.
    private static let share = 0.1

    private struct State {
        /// Pages that there are, or that some thread gets just now.
        var known = 0
        var slow = 0
        var steps = 0
        /// Pages that were merged, or are being.
        var merged = 0
    }

    private static let canMerge = apus_pages_can_merge()
    private let state = Locked(State())
    /// Whether some pages are small, and can be merged.
    private let isSmall: Atomic<Bool>

    /// - Parameters:
    ///   - memory: Untouched memory.
    ///   - slowPage: From when on a huge page counts as slow.
    package init(_ memory: Pages, slowPage: Duration) {
        self.memory = memory
        self.slowPage = slowPage
        isSmall = Atomic(false)
    }

    /// Reserves memory for activations.
    ///
    /// - Parameter byteCount: At least 0.
    /// - Throws: `ApusError` with code `outOfMemory`.
    package init(activations byteCount: Int) throws(ApusError) {
        memory = try Pages(byteCount: byteCount, for: "the activations", huge: !Self.canMerge)
        slowPage = .zero
        isSmall = Atomic(Self.canMerge)
    }

    /// How many huge pages the memory has room for.
    private var count: Int { memory.byteCount / Self.pageBytes }

    private func page(_ index: Int) -> UnsafeMutableRawPointer { memory.base + index * Self.pageBytes }
}

// MARK: - While weights are loaded

extension ModelPages {
    /// Gets pages for what is written next. For several threads at once, before anything is written there.
    ///
    /// - Parameter end: Where it ends, in bytes from the start.
    package func prepare(upTo end: Int) {
        guard Self.canMerge else { return }
        let wanted = min(count, end / Self.pageBytes + 1 + Self.pagesAhead)
        while !isSmall.load(ordering: .relaxed) {
            let index = state.withLock { state -> Int? in
                guard state.known < wanted else { return nil }
                defer { state.known += 1 }
                return state.known
            }
            guard let index else { return }
            let start = ContinuousClock.now
            apus_pages_get(page(index))
            if ContinuousClock.now - start >= slowPage { noteSlowPage() }
        }
    }

    private func noteSlowPage() {
        let decides = state.withLock { state in
            state.slow += 1
            return state.slow == Self.slowPages
        }
        guard decides else { return }
        apus_pages_prefer(memory.base, memory.byteCount, false)
        isSmall.store(true, ordering: .relaxed)
    }

    /// All weights are loaded. From now on the system may merge pages by itself too.
    package func finish() { if isSmall.load(ordering: .relaxed) { allowHuge() } }

    private func allowHuge() { apus_pages_prefer(memory.base, memory.byteCount, true) }
}

// MARK: - While steps run

extension ModelPages {
    /// A step has ended: merges some small pages, once there have been enough steps.
    ///
    /// - Parameter duration: How long the step took.
    package func stepEnded(after duration: Duration) {
        guard isSmall.load(ordering: .relaxed) else { return }
        let isPatient = state.withLock { state in
            state.steps += 1
            return state.steps <= Self.patience
        }
        if !isPatient { merge(for: duration * Self.share) }
    }

    /// Merges all small pages that are left.
    package func merge() { while isSmall.load(ordering: .relaxed) { mergePage() } }

    /// Merges small pages for some time.
    private func merge(for time: Duration) {
        let end = ContinuousClock.now + time
        repeat { mergePage() } while isSmall.load(ordering: .relaxed) && ContinuousClock.now < end
    }

    private func mergePage() {
        let index = state.withLock { state in
            defer { state.merged += 1 }
            return state.merged
        }
        if index == 0 { allowHuge() }  // of activations it is the first time
        // A page that the system cannot merge stays small.
        if index < count { _ = apus_pages_merge(page(index)) }
        if index + 1 >= count { isSmall.store(false, ordering: .relaxed) }
    }
}
