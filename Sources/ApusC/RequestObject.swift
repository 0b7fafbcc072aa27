internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import CApus

/// What a handle of a request stands for: the request, and the events that nobody has taken yet.
///
/// A task on the engine's delivery thread reads the engine's events, makes events for C of them, and gives them to the callback;
/// without one they wait for whoever asks for the next one.
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

    let engine: EngineObject
    private let work: Work
    private let callback: Callback?
    private let signal: CancelSignal
    private let monitor = Monitor()
    // Safe to share: touched inside of `monitor` only.
    nonisolated(unsafe) private var state = State()
    // Safe to share: touched by the one reader, or the delivery thread.
    nonisolated(unsafe) private let memory = EventMemory()

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

    // MARK: Events come

    /// Lets the events come.
    func start() {
        engine.add(self)
        // It may have been released meanwhile.
        if engine.isReleased { cancel() }
        Task.detached(executorPreference: engine.delivery) { [self] in
            handle { state throws(RequestError) in state.reply?.begin() ?? [] }
            do {
                switch work {
                case .reply(let reply, _):
                    try await reply.generation.forEachEvent { [self] event, source in
                        handle { state throws(RequestError) in try state.reply?.take(event, of: source) ?? [] }
                    }
                    finish(.success(nil))
                case .vectors(let compute): finish(.success(try await compute()))
                }
            } catch {
                finish(.failure(error))
            }
        }
    }

    /// Makes events of something that came, and gives them out.
    private func handle(_ make: (inout State) throws(RequestError) -> [Event]) {
        let events = monitor.locked { () -> [Event] in
            if state.isReleased || state.end != nil { return [] }
            do throws(RequestError) {
                let events = try make(&state)
                if callback == nil { state.events += events }
                return events
            } catch {
                // Nothing that is made of events fails now.
                state.end = .failure(CallError(error))
                return []
            }
        }
        giveOut(events)
    }

    /// Gives events to the callback, or wakes whoever waits for one.
    private func giveOut(_ events: [Event]) {
        if callback == nil {
            if !events.isEmpty { monitor.notify() }
        } else {
            for event in events { call(event) }
        }
    }

    /// Ends the events.
    private func finish(_ result: Result<JSONValue?, any Error>) {
        let events = monitor.locked { () -> [Event] in
            let end = state.end ?? self.end(result)
            var events: [Event]
            switch end {
            case .success(let json):
                (events, state.end) = ([Event(Int(APUS_EVENT_DONE), json: json)], end)
                if let last = state.reply?.end() { (events, state.end) = (last.events, .success(last.reply)) }
            case .failure(let error):
                var last = Event(Int(APUS_EVENT_ERROR), json: Self.json(error))
                (last.status, last.text) = (error.status, error.message)
                (events, state.end) = ([last], end)
            }
            if callback == nil { state.events += events }
            return events
        }
        giveOut(events)
        monitor.locked { state.hasEnded = true }
        monitor.notify()
        engine.remove(self)
    }

    private func end(_ result: Result<JSONValue?, any Error>) -> Result<JSONValue, CallError> {
        if signal.isRaised { return .failure(CallError(Int(APUS_CANCELLED), cancelMessage)) }
        switch result {
        case .success(let json): return .success(json ?? .null)
        case .failure(let error): return .failure(CallError(thrown: error))
        }
    }

    private var cancelMessage: String {
        engine.isReleased ? "the engine was released" : "the request was cancelled"
    }

    private static func json(_ error: CallError) -> JSONValue {
        ["error": ["message": .string(error.message), "code": .int(Int(error.status))]]
    }

    /// Gives an event to the callback.
    private func call(_ event: Event) {
        let goesOn = monitor.locked {
            if state.isReleased || state.reply?.isStopped == true && event.kind != Int(APUS_EVENT_DONE) { return false }
            state.isCalling = true
            return true
        }
        guard goesOn, let callback else { return }
        var event = memory.event(event, size: UInt32(MemoryLayout<apus_event>.size))
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

    /// Calls it off, and sees to it that the callback is not called any more.
    func release() {
        cancel()
        let isInCallback = engine.delivery.isCurrent
        monitor.locked {
            state.isReleased = true
            monitor.notify()
            while state.isCalling, !isInCallback { _ = monitor.wait(until: Deadline(nanoseconds: -1)) }
        }
    }

    // MARK: Events go

    /// Waits for the next event.
    ///
    /// - Parameters:
    ///   - deadline: How long.
    ///   - output: Where it goes; its size is set.
    func next(_ deadline: Deadline, into output: UnsafeMutablePointer<apus_event>) throws {
        if callback != nil { throw CallError.invalid("the request has a callback, which gets the events") }
        let size = output.pointee.size
        guard (UInt32(MemoryLayout<apus_event>.size)...1024).contains(size) else {
            throw CallError.invalid(
                "the event's size is \(size), wanted: sizeof(apus_event), \(MemoryLayout<apus_event>.size)")
        }
        try engine.checkMayWait()
        let event = try monitor.locked { () throws(CallError) -> Event in
            if state.isRead { throw .busy("another thread waits for this request's events") }
            state.isRead = true
            defer { state.isRead = false }
            while state.taken == state.events.count {
                try checkNotReleased()
                if state.hasEnded { throw CallError(Int(APUS_CLOSED), "the request has no more events") }
                guard monitor.wait(until: deadline) else {
                    // It may have come at the last moment.
                    if state.taken < state.events.count { break }
                    throw CallError(Int(APUS_TIMEOUT), "there was no event in time")
                }
            }
            let event = state.events[state.taken]
            state.taken += 1
            if state.taken == state.events.count { (state.events, state.taken) = ([], 0) }
            // Inside of the lock: the memory is the reader's.
            output.pointee = memory.event(event, size: size)
            return event
        }
        _ = event
    }

    /// Waits for the end.
    ///
    /// - Returns: The whole reply.
    func wait(_ deadline: Deadline) throws -> JSONValue {
        try engine.checkMayWait()
        return try monitor.locked { () throws(CallError) -> JSONValue in
            while !state.hasEnded {
                try checkNotReleased()
                guard monitor.wait(until: deadline) || state.hasEnded else {
                    throw CallError(Int(APUS_TIMEOUT), "the request did not end in time")
                }
            }
            switch state.end {
            case .success(let json)?: return json
            case .failure(let error)?: throw error
            case nil: throw CallError(Int(APUS_INTERNAL), "the request has no end")
            }
        }
    }

    private func checkNotReleased() throws(CallError) {
        if state.isReleased { throw CallError(Int(APUS_CANCELLED), "the request was released") }
    }
}
