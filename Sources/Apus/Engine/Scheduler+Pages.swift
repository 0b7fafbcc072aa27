internal import ApusGGUF
internal import ApusModel

// Who holds which pages: admission, prefixes, and making room.

extension Scheduler {
    /// Starts waiting choices, the first one first, as long as there is room.
    ///
    /// A choice gets the pages of all tokens that it has; those to be drawn get theirs as they come. A page for each running
    /// choice is left over, so that a newcomer does not have to leave at once.
    func admit() {
        while running.count < options.maxRunning, let choice = waiting.first {
            guard start(choice) else {
                if !running.isEmpty { return }
                // With nobody running all pages are free or only the tree's, and no choice is bigger than the pool.
                tree.removeAll()
                guard start(choice) else {
                    fail(choice.request, ApusError(.contextFull, "the KV cache is too small for the request"))
                    continue
                }
                continue
            }
        }
    }

    /// Gives a choice its pages, if there are enough.
    private func start(_ choice: Choice) -> Bool {
        let sequence = KVSequence(cache)
        choice.sequence = sequence
        (choice.node, choice.depth, choice.epoch) = (PrefixTree.root, 0, tree.epoch)
        let reused = reusePrefix(choice)
        let needed = sequence.pagesToReserve(choice.remaining)
        guard makeRoom(needed, spare: running.count) else {
            choice.drop()
            return false
        }
        do throws(ApusError) {
            try sequence.reserve(choice.remaining)
        } catch {
            choice.drop()
            return false
        }
        waiting.removeAll { $0 === choice }
        run(choice)
        count(reused: reused, choice)
        if choice.request.started == nil {
            choice.request.started = .now
            sendProgress(choice)
        }
        return true
    }

    /// Frees pages that only the tree holds until there are enough; does nothing if there are too few.
    func makeRoom(_ needed: Int, spare: Int) -> Bool {
        if cache.freePageCount >= needed + spare { return true }
        guard cache.freePageCount + tree.evictableCount >= needed + spare else { return false }
        tree.evict(needed - cache.freePageCount)
        return cache.freePageCount >= needed
    }

    private func count(reused: Int, _ choice: Choice) {
        counts.tokensReused += reused
        if choice.request.prefilled == nil { choice.request.reused += reused }
    }

    // MARK: Prefixes

    /// Takes over what the tree holds of a choice's next tokens, where the sequence is at a page's beginning.
    ///
    /// - Returns: How many tokens need not be computed. At least one is left, whose logits are wanted.
    private func reusePrefix(_ choice: Choice) -> Int {
        guard let sequence = choice.sequence, options.sharesPrefixes, choice.request.submission.request.reusesPrefix,
            !choice.request.wantsWholePrompt, sequence.length % KVCache.pagePositions == 0,
            keepPages(choice)
        else { return 0 }
        let before = sequence.length
        while let page = choice.nextPage, page.endIndex < choice.tokens.count,
            let child = tree.child(of: choice.node, page)
        {
            sequence.adopt(tree.page(of: child), count: page.count)
            choice.node = child
            choice.depth += 1
        }
        let rest = choice.tokens[sequence.length..<choice.tokens.count - 1]
        if let (child, count) = tree.mostSharing(under: choice.node, rest.prefix(KVCache.pagePositions)) {
            // The sequence writes to a copy of this page; see `KVSequence.reserve`.
            sequence.adopt(tree.page(of: child), count: count)
            tree.touch(child)
        } else {
            tree.touch(choice.node)
        }
        return sequence.length - before
    }

    /// Takes over what others have computed since a running choice was started.
    ///
    /// - Returns: False when the choice had to make room: it may need a page to copy to.
    func reusePrefixWhileRunning(_ choice: Choice) -> Bool {
        let reused = reusePrefix(choice)
        if reused == 0 { return true }
        count(reused: reused, choice)
        return reserve(choice.remaining, for: choice)
    }

    /// Puts the pages that a sequence has filled into the tree. Where the tree has a page of the same tokens, the sequence
    /// takes that one for its own, whose contents are the same to the bit.
    ///
    /// - Returns: True; false when the choice has no sequence.
    @discardableResult
    func keepPages(_ choice: Choice) -> Bool {
        guard let sequence = choice.sequence else { return false }
        guard options.sharesPrefixes else { return true }
        if choice.epoch != tree.epoch {
            (choice.node, choice.depth, choice.epoch) = (PrefixTree.root, 0, tree.epoch)
        }
        let full = sequence.length / KVCache.pagePositions
        if choice.depth == full { return true }
        while choice.depth < full {
            let first = choice.depth * KVCache.pagePositions
            let page = sequence.pages[choice.depth]
            let node = tree.insert(
                under: choice.node, choice.tokens[first..<first + KVCache.pagePositions], page: page)
            if tree.page(of: node) != page { sequence.replacePage(at: choice.depth, with: tree.page(of: node)) }
            choice.node = node
            choice.depth += 1
        }
        tree.touch(choice.node)
        return true
    }

    /// Puts all that a sequence has computed into the tree, its partly filled page too: it will not be written to again.
    func keepTail(_ choice: Choice) {
        guard options.sharesPrefixes, keepPages(choice), let sequence = choice.sequence else { return }
        let first = choice.depth * KVCache.pagePositions
        if first < sequence.length {
            tree.insertTail(
                under: choice.node, choice.tokens[first..<sequence.length], page: sequence.pages[choice.depth])
        }
        tree.touch(choice.node)
    }

    // MARK: Making room

    /// Sees to it that a running choice's next tokens have pages of their own: frees pages that may be of use again, and
    /// then lets the last choices make room, which are computed again later.
    ///
    /// - Returns: False when the choice itself had to make room, or failed.
    func reserve(_ tokens: Int, for choice: Choice) -> Bool {
        guard let sequence = choice.sequence else { return false }
        while true {
            if makeRoom(sequence.pagesToReserve(tokens), spare: 0) {
                do throws(ApusError) {
                    try sequence.reserve(tokens)
                    return true
                } catch {
                    fail(choice.request, error)
                    return false
                }
            }
            if let last = running.last, running.count > 1 {
                preempt(last)
                if last === choice { return false }
            } else if tree.count > 0 {
                // Alone, and a page that it must copy is also the tree's.
                tree.removeAll()
            } else {
                fail(choice.request, ApusError(.contextFull, "the KV cache is too small for the request"))
                return false
            }
        }
    }

    /// Takes a running choice's pages away; it keeps its text and the state of its samplers.
    func preempt(_ choice: Choice) {
        running.removeAll { $0 === choice }
        choice.drop()
        choice.preemptions += 1
        counts.preemptions += 1
        wait(choice)
    }
}
