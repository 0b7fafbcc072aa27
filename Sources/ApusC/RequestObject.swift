internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import CApus
internal import Glibc

/// What a handle of a request stands for: the request, and the events that nobody has taken yet.
///
/// The computation only rings a bell. Events for C are made of the engine's by who wants them: whoever asks for the next one or for the end,
/// on its own thread; for a callback, on the engine's delivery thread.
final class RequestObject: Handled {
    static let kind = "request"

    /// Who gets the events.
    struct Callback: Sendable {
        let function: apus_event_callback
        // Safe to share: it is the caller's, who knows on which thread callbacks come.
        nonisolated(unsafe) let user: UnsafeMutableRawPointer?
    }

    /// What is asked for.
    enum Work: Sendable {
        /// Text.
        case reply(OpenAIReply, tellsProgress: Bool)
        /// Vectors.
        case vectors(@Sendable () async throws -> JSONValue)
    }

    private struct State {
        var reply: Reply?
        /// What became of vectors.
        var vectors: Result<JSONValue, any Error>?
        var events: [Event] = []
        /// How many of them were taken.
        var taken = 0
        /// How it ended, when it has.
        var end: Result<JSONValue, CallError>?
        /// The same once the last event is in the callback's hands.
        var hasEnded = false
        var isRead = false
        var isCalling = false
        var isReleased = false
    }

    /// When events were taken.
    private struct Rhythm {
        /// Nanoseconds, as all here.
        var last = Int64(0)
        /// Whether there was less than the pace to wait for.
        var isFast = false
        private var interval = Int64(0)

        /// For how long from `last` events are to be gathered: the pace, and up to twice as long for five tokens.
        func pause(_ pace: Int64) -> Int64 {
            guard isFast, pace > 0 else { return 0 }
            return max(pace, min(5 * interval, 2 * min(pace, .max / 2)))
        }

        /// Notes that so many tokens were taken.
        mutating func note(_ tokens: Int, at now: Int64) {
            interval = (now - last) / Int64(max(1, tokens))
            last = now
        }
    }

    let engine: EngineObject
    private let work: Work
    private let callback: Callback?
    private let signal: CancelSignal
    private let bell = Bell()
    private let monitor = Monitor()
    // Safe to share: touched inside of `monitor` only.
    nonisolated(unsafe) private var state = State()
    // Safe to share: touched by the one reader, or the delivery thread.
    nonisolated(unsafe) private var memories: [EventMemory] = []
    // Safe to share: touched by the one reader.
    nonisolated(unsafe) private var rhythm = Rhythm()

    /// Takes what is to be done.
    ///
    /// - Parameters:
    ///   - work: What is asked for.
    ///   - engine: Who does it.
    ///   - signal: What calls it off.
    ///   - callback: Who gets the events.
    init(_ work: Work, engine: EngineObject, signal: CancelSignal, callback: Callback?) {
        (self.work, self.engine, self.signal, self.callback) = (work, engine, signal, callback)
        if case .reply(let reply, let tellsProgress) = work {
            state.reply = Reply(reply, tellsProgress: tellsProgress)
        }
    }

    /// Whether there is a callback that gets the events.
    var hasCallback: Bool { callback != nil }

    // MARK: Events come

    /// Lets the events come.
    func start() {
        engine.add(self)
        // It may have been released meanwhile.
        if engine.isReleased { cancel() }
        switch work {
        case .reply:
            monitor.locked { if let start = state.reply?.begin() { state.events += start } }
            if hasCallback { notice() }
        case .vectors(let compute):
            Task.detached { [self] in
                let result: Result<JSONValue, any Error>
                do {
                    result = .success(try await compute())
                } catch {
                    result = .failure(error)
                }
                monitor.locked { state.vectors = result }
                notice()
            }
        }
    }

    /// Something has come. On any thread, the computing one too.
    private func notice() {
        if hasCallback {
            engine.delivery.submit { [self] in deliver() }
        } else {
            bell.ring()
        }
    }

    /// Sees to it that what comes next is noticed; at once what is there already. Not inside of `monitor`.
    ///
    /// - Parameter wanted: What there is to wait for.
    private func listen(for wanted: Generation.Wanted = .events) {
        if case .reply(let reply, _) = work { reply.generation.onNews(wanted) { [self] in notice() } }
    }

    /// Makes events of what has come. Inside of `monitor`.
    private func advance(_ state: inout State) {
        guard state.end == nil else { return }
        do {
            switch work {
            case .reply(let reply, _):
                while let news = try reply.generation.take() {
                    if news.isEmpty { return }
                    for (event, source) in news {
                        try state.reply?.take(event, of: source, into: &state.events)
                    }
                }
                end(.success(.null), &state)
            case .vectors: if let vectors = state.vectors { end(vectors, &state) }
            }
        } catch {
            end(.failure(error), &state)
            if case .reply(let reply, _) = work { reply.generation.cancel() }
        }
    }

    /// Ends the events. Inside of `monitor`.
    ///
    /// - Parameters:
    ///   - result: What became of it; of a text only whether it failed.
    ///   - state: The state.
    private func end(_ result: Result<JSONValue, any Error>, _ state: inout State) {
        do {
            if signal.isRaised { throw CallError(Int(APUS_CANCELLED), cancelMessage) }
            var json = try result.get()
            if let last = state.reply?.end() {
                json = last.reply
                state.events += last.events
            } else {
                state.events.append(Event(Int(APUS_EVENT_DONE), json: json))
            }
            state.end = .success(json)
        } catch {
            let error = CallError(thrown: error)
            var last = Event(Int(APUS_EVENT_ERROR), json: Self.json(error))
            (last.status, last.text) = (error.status, error.message)
            state.events.append(last)
            state.end = .failure(error)
        }
        if hasCallback { return }
        state.hasEnded = true
        engine.remove(self)
    }

    private var cancelMessage: String {
        engine.isReleased ? "the engine was released" : "the request was cancelled"
    }

    private static func json(_ error: CallError) -> JSONValue {
        ["error": ["message": .string(error.message), "code": .int(Int(error.status))]]
    }

    // MARK: Callbacks

    /// Gives the callback what has come. On the delivery thread.
    private func deliver() {
        let (events, isLast) = monitor.locked {
            advance(&state)
            defer { state.events = [] }
            return (state.events, state.end != nil)
        }
        for event in events { call(event) }
        if isLast {
            monitor.locked { state.hasEnded = true }
            engine.remove(self)
            bell.ring()
        } else {
            listen()
        }
    }

    /// Gives an event to the callback.
    private func call(_ event: Event) {
        let goesOn = monitor.locked {
            if state.isReleased || state.reply?.isStopped == true && event.kind != Int(APUS_EVENT_DONE) { return false }
            state.isCalling = true
            return true
        }
        guard goesOn, let callback else { return }
        var event = memory(0).event(event, size: UInt32(MemoryLayout<apus_event>.size))
        let answer = callback.function(&event, callback.user)
        monitor.locked {
            state.isCalling = false
            // Else nobody waits for this.
            if state.isReleased { monitor.notify() }
        }
        switch answer {
        case 0: break
        case 1: stop()
        default: cancel()
        }
    }

    // MARK: Calling off

    /// Ends the reply where it is.
    private func stop() {
        monitor.locked { state.reply?.isStopped = true }
        if case .reply(let reply, _) = work { reply.generation.cancel() }
    }

    /// Calls the request off.
    func cancel() {
        if monitor.locked({ state.hasEnded }) { return }
        signal.raise(.clientGone)
    }

    /// Calls it off, and sees to it that the callback is not called any more, nothing is written to a descriptor, and nobody waits.
    func release() {
        cancel()
        let isInCallback = engine.delivery.isCurrent
        monitor.locked {
            state.isReleased = true
            while state.isCalling, !isInCallback { _ = monitor.wait(until: Deadline(nanoseconds: -1)) }
        }
        bell.ring()
        bell.watch(-1, tag: 0)
        if !hasCallback { engine.remove(self) }
    }

    // MARK: Events go

    /// Waits for the next event.
    ///
    /// - Parameters:
    ///   - deadline: How long.
    ///   - output: Where it goes; its size is set.
    func next(_ deadline: Deadline, into output: UnsafeMutablePointer<apus_event>) throws {
        try reading(output) { size in output.pointee = memory(0).event(try nextEvent(deadline), size: size) }
    }

    /// Takes the events that are there; waits for one if there is none.
    ///
    /// - Parameters:
    ///   - timeout: How long, in nanoseconds; a negative number for ever.
    ///   - pace: How events are gathered: see apus.h.
    ///   - output: Where they go; the first one's size is set, and is that of all.
    ///   - capacity: For how many there is room, one at least.
    /// - Returns: How many there are.
    func take(_ timeout: Int64, pace: Int64, into output: UnsafeMutablePointer<apus_event>, capacity: Int) throws -> Int
    {
        try reading(output) { size in
            let deadline = Deadline(nanoseconds: timeout)
            gather(pace, timeout)
            var event = try monitor.locked { () throws(CallError) in try takeEvent(&state) }
            if event == nil {
                event = try nextEvent(deadline)
                rhythm.isFast = nanosecondsNow() - rhythm.last < pace
            }
            var (count, tokens) = (0, 0)
            while let found = event {
                let place = UnsafeMutableRawPointer(output).advanced(by: count * Int(size))
                place.assumingMemoryBound(to: apus_event.self).pointee = memory(count).event(found, size: size)
                count += 1
                if found.token >= 0 { tokens += 1 }
                // That there are no more is told by the next call.
                event = count == capacity ? nil : monitor.locked { try? takeEvent(&state) }
            }
            rhythm.note(tokens, at: nanosecondsNow())
            return count
        }
    }

    /// Waits while events are gathered, or until the request ends; not at all when there are events from before.
    private func gather(_ pace: Int64, _ timeout: Int64) {
        let left = rhythm.pause(pace) - (nanosecondsNow() - rhythm.last)
        let rings = bell.count
        if left <= 0 || hasNews { return }
        listen(for: .ends)
        _ = bell.wait(after: rings, until: Deadline(nanoseconds: timeout < 0 ? left : min(left, timeout)))
    }

    /// Lets the caller be the one who reads.
    ///
    /// - Parameter output: Where events go, whose size is checked.
    private func reading<R>(_ output: UnsafeMutablePointer<apus_event>, _ work: (UInt32) throws -> R) throws -> R {
        try checkHasNoCallback()
        let size = output.pointee.size
        guard (UInt32(MemoryLayout<apus_event>.size)...1024).contains(size) else {
            throw CallError.invalid(
                "the event's size is \(size), wanted: sizeof(apus_event), \(MemoryLayout<apus_event>.size)")
        }
        try engine.checkMayWait()
        try monitor.locked { () throws(CallError) in
            if state.isRead { throw .busy("another thread waits for this request's events") }
            state.isRead = true
        }
        defer { monitor.locked { state.isRead = false } }
        return try work(size)
    }

    /// The next event. For the one who reads.
    private func nextEvent(_ deadline: Deadline) throws -> Event {
        while true {
            let rings = bell.count
            if let event = try monitor.locked({ () throws(CallError) in try takeEvent(&state) }) { return event }
            if !deadline.isNow { listen() }
            guard bell.wait(after: rings, until: deadline) else {
                throw CallError(Int(APUS_TIMEOUT), "there was no event in time")
            }
        }
    }

    /// The memory of an event's texts. For the one who reads, or the delivery thread.
    ///
    /// - Parameter index: Which event of those that are given at once.
    private func memory(_ index: Int) -> EventMemory {
        while memories.count <= index { memories.append(EventMemory()) }
        return memories[index]
    }

    /// The next event, if there is one. Inside of `monitor`.
    private func takeEvent(_ state: inout State) throws(CallError) -> Event? {
        if state.isReleased { throw released }
        if state.taken == state.events.count {
            (state.events, state.taken) = ([], 0)
            advance(&state)
            if state.events.isEmpty {
                if state.hasEnded { throw CallError(Int(APUS_CLOSED), "the request has no more events") }
                return nil
            }
        }
        defer { state.taken += 1 }
        return state.events[state.taken]
    }

    /// Whether there is something to say without a look at what has come since.
    private var hasNews: Bool {
        monitor.locked { state.taken < state.events.count || state.hasEnded || state.isReleased }
    }

    /// Tells an event loop once that there is something to take.
    ///
    /// - Parameters:
    ///   - descriptor: What it watches; a negative number for none.
    ///   - tag: What is written to it.
    func notify(_ descriptor: Int32, tag: UInt64) throws {
        try checkHasNoCallback()
        if descriptor >= 0, fcntl(descriptor, F_GETFD) < 0 {
            throw CallError.invalid("fd is \(descriptor), which is not open")
        }
        bell.watch(descriptor, tag: tag)
        if hasNews {
            bell.ring()
        } else {
            listen()
        }
    }

    /// Waits for the end.
    ///
    /// - Returns: The whole reply.
    func wait(_ deadline: Deadline) throws -> JSONValue {
        try engine.checkMayWait()
        while true {
            let rings = bell.count
            let (end, isRead) = try monitor.locked { () throws(CallError) in
                if !hasCallback { advance(&state) }
                if state.isReleased, !state.hasEnded { throw released }
                return (state.hasEnded ? state.end : nil, state.isRead)
            }
            if let end { return try end.get() }
            // Its tokens are of interest only to others.
            if !hasCallback { listen(for: isRead || bell.isWatched ? .events : .ends) }
            guard bell.wait(after: rings, until: deadline) else {
                throw CallError(Int(APUS_TIMEOUT), "the request did not end in time")
            }
        }
    }

    private func checkHasNoCallback() throws(CallError) {
        if hasCallback { throw .invalid("the request has a callback, which gets the events") }
    }

    private var released: CallError { CallError(Int(APUS_CANCELLED), "the request was released") }
}
