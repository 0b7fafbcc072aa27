public import ApusGGUF

extension ChatSession {
    /// A reply, and what it took.
    public struct Response: Sendable, Hashable {
        /// The text.
        public let content: String
        /// Its tokens, without one that ended it.
        public let ids: [Int32]
        /// The tokens of the prompt that it follows.
        public let promptIDs: [Int32]
        /// Why it ended.
        public let stopReason: StopReason
        /// Tokens, times, and the seed.
        public let usage: EngineUsage
        /// What it added to the transcript: question and reply.
        public let transcriptEntries: [ChatMessage]
    }

    /// A reply as it grows, in snapshots: each has all the text so far.
    ///
    /// Every iteration asks the question; who stops iterating early calls the reply off.
    public struct ResponseStream: AsyncSequence, Sendable {
        /// What comes.
        public typealias Element = Snapshot
        /// What can go wrong.
        public typealias Failure = ApusError

        /// A reply so far.
        public struct Snapshot: Sendable, Hashable {
            /// The text so far, whole characters only.
            public let content: String
            /// What it has more than the snapshot before.
            public let delta: String
            /// Tokens so far.
            public let tokens: Int
        }

        let session: ChatSession
        let message: ChatMessage
        let options: ChatOptions

        /// The reply from its beginning.
        public func makeAsyncIterator() -> Iterator { Iterator(exchange: Exchange(self)) }

        /// Gives one snapshot after another.
        public struct Iterator: AsyncIteratorProtocol {
            let exchange: Exchange

            /// The next snapshot; nil after the last one.
            ///
            /// - Throws: `ApusError` when there is no reply; see `ChatSession.respond(to:options:)`.
            public mutating func next() async throws(ApusError) -> Snapshot? { try await next(isolation: nil) }

            /// The next snapshot; nil after the last one.
            ///
            /// - Parameter actor: The caller's, which is not left.
            /// - Throws: `ApusError` when there is no reply; see `ChatSession.respond(to:options:)`.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(ApusError) -> Snapshot? {
                try await exchange.next(isolation: actor)
            }
        }

        /// Waits for the end.
        ///
        /// - Returns: The whole reply.
        /// - Throws: As `ChatSession.respond(to:options:)`.
        public func collect() async throws(ApusError) -> Response {
            let exchange = Exchange(self)
            while try await exchange.next(isolation: nil) != nil {}
            guard let response = exchange.response else {
                throw ApusError(.internalError, "the reply's events ended before it did")
            }
            return response
        }
    }

    /// A question on its way to its reply. For one task at a time; the session is free again when it ends or is let go of.
    final class Exchange {
        /// The reply, when it is whole.
        private(set) var response: Response?

        private enum Phase {
            case waiting
            case open(EngineResponse, EngineResponse.Iterator)
            case ended
        }
        private let stream: ResponseStream
        private var phase = Phase.waiting
        private var content = ""
        private var ids: [Int32] = []

        init(_ stream: ResponseStream) { self.stream = stream }

        deinit {
            if case .open(let response, _) = phase {
                response.cancel()
                stream.session.end(adding: [])
            }
        }

        func next(isolation actor: isolated (any Actor)?) async throws(ApusError) -> ResponseStream.Snapshot? {
            if case .waiting = phase { try begin() }
            guard case .open(let response, var events) = phase else { return nil }
            do throws(ApusError) {
                while let event = try await events.next(isolation: actor) {
                    switch event {
                    case .prompt, .promptLogProbabilities: break
                    case .token(let token):
                        ids.append(token.id)
                        if token.text.isEmpty { continue }
                        phase = .open(response, events)
                        return snapshot(adding: token.text)
                    case .finished(let completion):
                        if completion.reason == .cancelled { throw Self.cancelled }
                        let last = completion.text.isEmpty ? nil : snapshot(adding: completion.text)
                        finish(completion, promptIDs: response.promptIDs)
                        return last
                    }
                }
                throw Self.cancelled
            } catch {
                end(adding: [])
                response.cancel()
                throw error
            }
        }

        private func begin() throws(ApusError) {
            phase = .ended
            let (session, options) = (stream.session, stream.options)
            let messages = try session.begin(stream.message)
            do throws(ApusError) {
                let model = session.engine.model
                let prompt = try session.format.ids(messages, tokenizer: model.tokenizer, options: options.prompt)
                var request = EngineRequest(.ids(prompt))
                (request.sampling, request.generation) = (options.sampling, options.generation)
                (request.priority, request.deadline) = (options.priority, options.deadline)
                let response = try session.engine.submit(request)
                phase = .open(response, response.makeAsyncIterator())
            } catch {
                end(adding: [])
                throw error
            }
        }

        private func snapshot(adding text: String) -> ResponseStream.Snapshot {
            content += text
            return ResponseStream.Snapshot(content: content, delta: text, tokens: ids.count)
        }

        private func finish(_ completion: EngineCompletion, promptIDs: [Int32]) {
            let entries = [stream.message, ChatMessage(role: "assistant", content: content)]
            response = Response(
                content: content, ids: ids, promptIDs: promptIDs, stopReason: completion.reason,
                usage: completion.usage,
                transcriptEntries: entries)
            end(adding: entries)
        }

        private func end(adding entries: [ChatMessage]) {
            phase = .ended
            stream.session.end(adding: entries)
        }

        private static var cancelled: ApusError { ApusError(.cancelled, "the reply was called off") }
    }
}
