internal import ApusGGUF
internal import ApusModel

// What a step computes, and what comes of it.

extension Scheduler {
    /// Some tokens of a choice in a step.
    private struct Part {
        let choice: Choice
        /// Tokens of the choice, and guesses at those that come after them.
        let tokens: ArraySlice<Int32>
        let logits: Decoder.Chunk.Logits
        /// How many of the tokens are guesses; there is one other then.
        let drafted: Int
        /// The place in the choice of the first token.
        let first: Int
        /// Whether the choice has no more tokens to compute.
        let reachesEnd: Bool

        /// Whether these are tokens of a prompt, or of a text that is computed again.
        var isPrompt: Bool { tokens.count > 1 && drafted == 0 }

        /// The last token of a choice, and guesses at the next ones.
        init(_ choice: Choice, draft: [Int32]) {
            self.choice = choice
            first = choice.tokens.count - 1
            tokens = choice.tokens[first...] + draft
            drafted = draft.count
            logits = .all
            reachesEnd = true
        }

        /// The next tokens of a choice.
        init(_ choice: Choice, count: Int) {
            self.choice = choice
            first = choice.tokens.count - choice.remaining
            drafted = 0
            tokens = choice.tokens[first..<first + count]
            reachesEnd = count == choice.remaining
            let request = choice.request
            if let sink = request.submission.embedding, request.prefilled == nil {
                logits = sink.pooling != .last ? .allStates : reachesEnd ? .lastState : .none
            } else {
                logits = request.wantsPromptLogits ? .all : reachesEnd ? .last : .none
            }
        }
    }

    /// Computes a step for the running choices.
    func step() {
        let start = ContinuousClock.now
        let parts = plan()
        if parts.isEmpty { return }
        // Nobody's tokens wait while a prompt is computed.
        if parts.contains(where: \.isPrompt) { deliver(patient: false) }
        let kept: [Int]
        do throws(ApusError) {
            kept = try compute(parts, since: start)
        } catch {
            // What was called off ends with the next turn. Nothing else is known to fail here.
            draws = []
            if error.code != .cancelled {
                for part in parts { fail(part.choice.request, error) }
            }
            return
        }
        counts.steps += 1
        counts.stepSequences += parts.count
        onStep?(zip(parts, kept).map { ($0.choice.request.number, $0.choice.index, $1) })
        let end = ContinuousClock.now
        for (part, kept) in zip(parts, kept) {
            counts.tokensComputed += kept
            guard part.drafted == 0 else { continue }
            keepPages(part.choice)
            guard part.choice.request.prefilled == nil else { continue }
            sendProgress(part.choice)
            if part.reachesEnd { beginReplies(part.choice, now: end) }
        }
        let drawn = draws
        draws = []
        for draw in drawn { take(draw, now: end) }
        // Now, and not at the end of the turn: whoever is woken begins while one thread does the rest and plans the next step.
        deliver()
        for part in parts where part.drafted > 0 { keepPages(part.choice) }
        learn(parts, took: .now - start)
    }

    private func learn(_ parts: [Part], took duration: Duration) {
        guard parts.contains(where: \.isPrompt) else { return }
        let weight = parts.reduce(0) { $0 + self.weight(of: $1) }
        sizer.record(Int(weight.rounded(.up)), took: duration, target: stepTarget)
        if parts.count > 1 { counts.longestMixedStep = max(counts.longestMixedStep, duration) }
    }

    /// What a part takes, in tokens; before its tokens join the sequence or after.
    private func weight(of part: Part) -> Double {
        let logits =
            switch part.logits {
            case .none, .lastState, .allStates: 0
            case .last: 1
            case .all: part.tokens.count
            }
        return weights.weight(of: part.tokens.count, at: part.first, logits: logits)
    }

    // MARK: What to compute

    /// The next token of everything that is being decoded, and as much of prompts as fits the time of a step.
    private func plan() -> [Part] {
        var parts: [Part] = []
        var prompts: [Choice] = []
        // By index: the last choices may have to make room for those before them.
        var index = 0
        while index < running.count {
            let choice = running[index]
            if choice.isPrefilling {
                if reusePrefixWhileRunning(choice) { prompts.append(choice) }
            } else if reserve(1, for: choice) {
                parts.append(Part(choice, count: 1))
            }
            if index < running.count, running[index] === choice { index += 1 }
        }
        prompts.removeAll { $0.sequence == nil }
        if prompts.isEmpty { return withGuesses(parts) }
        parts += share(among: withoutDuplicates(prompts), beside: parts)
        return parts
    }

    /// Adds guesses at what comes next, where only a few texts are decoded.
    private func withGuesses(_ parts: [Part]) -> [Part] {
        guard options.speculation == .lookup, parts.count <= Self.mostDrafting else { return parts }
        var room = min(Self.mostVerified, decoder.maxTokens, decoder.logitRows) - parts.count
        return parts.map { part in
            let choice = part.choice
            let draft = choice.speculator.draft(
                choice.tokens, atMost: min(room, guessable(choice)), sequences: parts.count,
                cost: draftCosts[parts.count - 1])
            // Guesses take free pages only; as many are there.
            guard !draft.isEmpty, reserve(1 + draft.count, for: choice) else { return part }
            room -= draft.count
            return Part(choice, draft: draft)
        }
    }

    /// How many tokens may be guessed: the last one wanted is not computed, what is computed must fit the request's context,
    /// and nobody makes room for guesses.
    private func guessable(_ choice: Choice) -> Int {
        let most = min(
            DraftPolicy.longest, choice.text.tokensLeft - 1, choice.request.submission.limit - choice.tokens.count)
        guard most > 0, let sequence = choice.sequence else { return 0 }
        return sequence.pagesToReserve(1 + most) <= cache.freePageCount ? most : 0
    }

    /// Leaves out prompts that are about to compute the page that one before them computes: they will take it over.
    private func withoutDuplicates(_ prompts: [Choice]) -> [Choice] {
        guard options.sharesPrefixes, prompts.count > 1 else { return prompts }
        var claimed: [Int: Set<ArraySlice<Int32>>] = [:]
        return prompts.filter { choice in
            guard choice.epoch == tree.epoch, let page = choice.nextPage else { return true }
            let isNew = claimed[choice.node, default: []].insert(page).inserted
            guard let sequence = choice.sequence, sequence.length % KVCache.pagePositions == 0,
                choice.request.submission.request.reusesPrefix, !choice.request.wantsWholePrompt,
                page.endIndex < choice.tokens.count
            else { return true }
            return isNew
        }
    }

    /// Gives the time of a step to prompts, one after another: that one first which would be done first, had each been
    /// alone since it came. So a short one passes a long one that came just before it, and none is passed for ever.
    private func share(among prompts: [Choice], beside decoded: [Part]) -> [Part] {
        let due = prompts.map { choice in
            let submission = choice.request.submission
            let weight = weight(of: Part(choice, count: choice.remaining))
            let time = sizer.dueTime(of: weight, since: submission.time, target: stepTarget)
            return (choice, priority: submission.request.priority, time: time)
        }
        let inOrder = due.sorted { $0.priority != $1.priority ? $0.priority > $1.priority : $0.time < $1.time }
        var room = min(chunkTokens, decoder.maxTokens - decoded.count)
        let taken = decoded.reduce(0) { $0 + weight(of: $1) }
        var left = max(Double(sizer.tokens) - taken, Double(StepSizer.least))
        var parts: [Part] = []
        for (choice, _, _) in inOrder {
            let fitting = weights.count(
                within: left, at: choice.sequence?.length ?? 0,
                wantsLogits: choice.request.wantsPromptLogits, atMost: min(choice.remaining, room))
            // The first one always gets on.
            let granted = parts.isEmpty ? max(1, fitting) : fitting
            if granted <= 0 { continue }
            let part = Part(choice, count: granted)
            room -= granted
            left -= weight(of: part)
            parts.append(part)
        }
        return parts
    }

    // MARK: What comes of it

    /// Computes a step.
    ///
    /// - Returns: For each part how many of its tokens the sequence holds now; the others were guessed wrong.
    private func compute(_ parts: [Part], since start: ContinuousClock.Instant) throws(ApusError) -> [Int] {
        // Others have to wait for a step's end; a request that is alone in it can call it off.
        let request = parts[0].choice.request
        let isAlone = parts.allSatisfy { $0.choice.request === request }
        let chunks = parts.compactMap { part in
            part.choice.sequence.map { Decoder.Chunk($0, tokens: part.tokens, logits: part.logits) }
        }
        var cursor = PartCursor(counts: parts.map(\.tokens.count))
        var stateCursor = cursor
        var kept = parts.map(\.tokens.count)
        var isFirst = true
        try decoder.run(
            chunks, cancellation: isAlone ? request.submission.flag : nil,
            onLogits: { index, logits throws(ApusError) in
                if isFirst { learnCost(parts, took: .now - start) }
                isFirst = false
                let (place, offset) = cursor.seek(index)
                guard offset < kept[place] else { return }
                if !look(at: logits.span, after: parts[place], offset: offset) { kept[place] = offset + 1 }
            },
            onState: { index, state in
                let (place, offset) = stateCursor.seek(index)
                let part = parts[place]
                part.choice.request.submission.embedding?.add(state, position: part.first + offset)
            })
        for (part, kept) in zip(parts, kept) where part.drafted > 0 {
            part.choice.sequence?.truncate(to: part.first + kept)
            counts.speculation.drafted += part.drafted
            counts.speculation.accepted += kept - 1
        }
        return kept
    }

    /// Learns what guesses cost from a step that computes no more than the next token of each text, and guesses.
    private func learnCost(_ parts: [Part], took duration: Duration) {
        guard parts.count <= Self.mostDrafting, parts.allSatisfy({ $0.tokens.count == 1 + $0.drafted }) else { return }
        draftCosts[parts.count - 1].record(drafted: parts.reduce(0) { $0 + $1.drafted }, took: duration)
    }

    /// Finds the part that a token of the step belongs to; the tokens come in order.
    private struct PartCursor: Sendable {
        let counts: [Int]
        private var place = 0
        private var first = 0

        init(counts: [Int]) { self.counts = counts }

        mutating func seek(_ index: Int) -> (place: Int, offset: Int) {
            while index >= first + counts[place] {
                first += counts[place]
                place += 1
            }
            return (place, index - first)
        }
    }

    /// Draws from the logits after a token, if it is the last one; keeps its log probabilities, if they are wanted.
    ///
    /// - Returns: Whether the next token of the part is right: no guess, or what was drawn.
    private func look(at logits: Span<Float>, after part: Part, offset: Int) -> Bool {
        let choice = part.choice
        let request = choice.request
        let next = part.first + offset + 1
        if let top = request.submission.request.promptLogProbabilities, request.wantsPromptLogits,
            next < request.ids.count
        {
            // After it made room a prompt is computed again, from the beginning.
            request.promptLogProbabilities.removeLast(max(0, request.promptLogProbabilities.count - (next - 1)))
            request.promptLogProbabilities.append(
                logProbabilities.entry(of: request.ids[next], top: top, logits: logits))
        }
        if part.drafted > 0 {
            return draw(choice, logits, expecting: part.tokens.dropFirst(offset + 1).first)
        }
        guard next == choice.tokens.count else { return true }
        if request.prefilled == nil {
            request.siblings = request.submission.seeds.indices.dropFirst().map { Choice(request, index: $0) }
            for sibling in request.siblings { draw(sibling, logits, expecting: nil) }
        }
        draw(choice, logits, expecting: nil)
        return true
    }

    /// Draws a token.
    ///
    /// - Parameter guess: What comes next in the step; nil for nothing.
    /// - Returns: Whether the guess was drawn, and the text goes on after it.
    @discardableResult
    private func draw(_ choice: Choice, _ logits: Span<Float>, expecting guess: Int32?) -> Bool {
        if choice.text.isComplete { return false }
        let token = Result { () throws(ApusError) in try choice.text.draw(logits, in: &candidates) }
        var logProbability: TokenLogProbability?
        if let top = choice.request.submission.request.logProbabilities, case .success(let id) = token {
            logProbability = logProbabilities.entry(of: id, top: top, logits: logits)
        }
        var outcome: TextGeneration.Outcome?
        // The samplers must know of it before the next token is drawn.
        if let guess, case .success(guess) = token { outcome = choice.text.take(guess) }
        draws.append(Draw(choice: choice, token: token, logProbability: logProbability, outcome: outcome))
        return outcome.map { $0.stop == nil } ?? false
    }

    /// Tells how far a prompt has come.
    func sendProgress(_ choice: Choice) {
        let total = choice.request.ids.count
        let processed = min(choice.sequence?.length ?? 0, total)
        send(
            .prompt(PromptProgress(total: total, reused: choice.request.reused, processed: processed)),
            to: choice.request)
    }

    /// The prompt is computed: the other choices begin with the same pages.
    private func beginReplies(_ choice: Choice, now: ContinuousClock.Instant) {
        let request = choice.request
        request.prefilled = now
        counts.promptTokens += request.ids.count - request.reused
        counts.promptDuration += now - (request.started ?? now)
        if request.submission.request.promptLogProbabilities != nil {
            send(.promptLogProbabilities(request.promptLogProbabilities), to: request)
            request.promptLogProbabilities = []
        }
        let siblings = request.siblings
        request.siblings = []
        for sibling in siblings {
            guard running.count < options.maxRunning else {
                wait(sibling)
                continue
            }
            sibling.sequence = choice.sequence?.fork()
            (sibling.node, sibling.depth, sibling.epoch) = (choice.node, choice.depth, choice.epoch)
            run(sibling)
        }
        // Where no token was asked for, none was drawn.
        for choice in [choice] + siblings where choice.text.isComplete { finish(choice, .maxTokens, now: now) }
    }

    /// Adds a drawn token to its text.
    private func take(_ draw: Draw, now: ContinuousClock.Instant) {
        let choice = draw.choice
        let request = choice.request
        guard request.openChoices > 0 else { return }
        let token: Int32
        do throws(ApusError) {
            token = try draw.token.get()
        } catch {
            return fail(request, error)
        }
        if choice.firstToken == nil { choice.firstToken = now }
        let outcome = draw.outcome ?? choice.text.take(token)
        if outcome.stop == .endOfGeneration {
            return finish(choice, .endOfGeneration, endLogProbability: draw.logProbability, now: now)
        }
        counts.tokensGenerated += 1
        choice.append(token)
        send(
            .token(
                EngineToken(
                    choice: choice.index, id: token, text: outcome.text, logProbability: draw.logProbability)),
            to: request)
        if let stop = outcome.stop {
            finish(choice, stop, now: now)
        } else if choice.tokens.count > request.submission.limit {
            finish(choice, .contextFull, now: now)
        }
    }
}
