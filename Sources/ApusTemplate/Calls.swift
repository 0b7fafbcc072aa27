// Calls: macros, methods, and the functions that every template has.

import ApusGGUF

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

extension Interpreter {
    /// The most numbers that `range` gives, as in Jinja's sandbox.
    private static let maxRange = 100_000

    /// The arguments of a built-in function by their names; nil where one is left out.
    func bind(_ arguments: Arguments, _ what: String, _ names: [String], required: Int = 0) throws(ApusError)
        -> [Value?]
    {
        guard arguments.positional.count <= names.count else {
            throw fail("\(what) takes \(names.count) arguments at most, found \(arguments.positional.count)")
        }
        var values: [Value?] = arguments.positional
        values += [Value?](repeating: nil, count: names.count - values.count)
        for keyword in arguments.keywords {
            guard let index = names.firstIndex(where: { Text($0) == keyword.name }), values[index] == nil else {
                throw fail("\(what): unexpected argument \(ApusError.quoted(keyword.name.string))")
            }
            values[index] = keyword.value
        }
        for index in 0..<required where values[index] == nil { throw fail("\(what): no argument '\(names[index])'") }
        return values
    }

    func integer(_ value: Value, _ what: String) throws(ApusError) -> Int {
        if case .int(let number) = value.number { return number }
        if case .undefined(let undefined) = value { throw self.undefined(undefined) }
        throw fail("\(what): found a value of type \(value.typeName), wanted: an integer")
    }

    func string(_ value: Value, _ what: String) throws(ApusError) -> Text {
        if let text = value.string { return text }
        if case .undefined(let undefined) = value { throw self.undefined(undefined) }
        throw fail("\(what): found a value of type \(value.typeName), wanted: a string")
    }

    func call(_ function: Value, _ arguments: Arguments) throws(ApusError) -> Value {
        try charge(4)
        switch function {
        case .undefined(let undefined): throw self.undefined(undefined)
        case .macro(let macro): return try call(macro, arguments)
        case .method(let method): return try call(method, arguments)
        case .function(let function): return try call(function, arguments)
        case .loop(let state):
            guard state.loop.isRecursive else {
                throw fail("the loop must have the mark 'recursive' to be called")
            }
            let values = try bind(arguments, "loop", ["iterable"], required: 1)
            guard let scope = state.scope else { throw fail("a loop that is over cannot be called", .unsupported) }
            let outer = self.scope
            self.scope = scope
            defer { self.scope = outer }
            try enter()
            defer { leave() }
            return .string(
                try capture { () throws(ApusError) in
                    try run(state.loop, over: values[0] ?? .none, depth: state.depth + 1)
                })
        default: throw fail("a value of type \(function.typeName) cannot be called")
        }
    }

    private func call(_ macro: Value.Macro, _ arguments: Arguments) throws(ApusError) -> Value {
        let definition = macro.definition
        var arguments = arguments
        let parameters = definition.parameters
        var values: [Value?] = Array(arguments.positional.prefix(parameters.count))
        let extra = Array(arguments.positional.dropFirst(parameters.count))
        if !extra.isEmpty, !definition.usesVarargs {
            throw fail(
                "the macro '\(definition.name)' takes \(parameters.count) arguments at most, found "
                    + "\(arguments.positional.count)")
        }
        for parameter in parameters.dropFirst(values.count) {
            let index = arguments.keywords.firstIndex { $0.name == parameter.name }
            values.append(index.map { arguments.keywords.remove(at: $0).value })
        }
        var caller: Value?
        if definition.usesCaller, !parameters.contains(where: { $0.name == Text("caller") }) {
            let index = arguments.keywords.firstIndex { $0.name == Text("caller") }
            caller =
                index.map { arguments.keywords.remove(at: $0).value }
                ?? .undefined(Value.Undefined("no caller defined"))
        }
        if let unknown = arguments.keywords.first, !definition.usesKwargs {
            throw fail("the macro '\(definition.name)' takes no argument \(ApusError.quoted(unknown.name.string))")
        }
        let rest = definition.usesVarargs ? try tuple(extra) : nil
        let named =
            definition.usesKwargs
            ? try dictionary(arguments.keywords.map { (key: .string($0.name), value: $0.value) }) : nil
        try enter()
        defer { leave() }
        return .string(
            try scoped(in: macro.scope) { () throws(ApusError) in
                if let caller { scope[program.caller] = caller }
                if let named { scope[program.kwargs] = named }
                if let rest { scope[program.varargs] = rest }
                for (parameter, value) in zip(parameters, values) {
                    if let value {
                        scope[parameter.symbol] = value
                    } else if let fallback = parameter.fallback {
                        scope[parameter.symbol] = try evaluate(fallback)
                    } else {
                        let name = ApusError.quoted(parameter.name.string)
                        scope[parameter.symbol] = .undefined(Value.Undefined("parameter \(name) was not provided"))
                    }
                }
                return try capture { () throws(ApusError) in _ = try run(definition.body) }
            })
    }

    private func call(_ method: Value.Method, _ arguments: Arguments) throws(ApusError) -> Value {
        switch method.receiver {
        case .string, .markup:
            guard let function = StringMethods.all[method.name] else { break }
            return try function(self, method.receiver, arguments)
        case .dictionary(let dictionary): return try call(dictionary, method.name, arguments)
        case .list(let sequence), .tuple(let sequence): return try call(sequence, method, arguments)
        case .loop(let state):
            if method.name == "changed" {
                let last = state.lastChanged
                let values = arguments.positional
                var isSame = last?.count == values.count
                if let last, isSame {
                    for (one, other) in zip(last, values) where !(try equal(one, other)) { isSame = false }
                }
                state.lastChanged = values
                return .bool(!isSame)
            }
            guard !arguments.positional.isEmpty else { throw fail("no items for cycling given") }
            return arguments.positional[state.index % arguments.positional.count]
        default: break
        }
        throw fail("the method '\(method.name)' cannot be called")
    }

    private func call(
        _ dictionary: Value.Dictionary, _ name: String, _ arguments: Arguments
    ) throws(ApusError) -> Value {
        switch name {
        case "get":
            guard arguments.keywords.isEmpty else { throw fail("get takes no named arguments") }
            let values = try bind(arguments, "get", ["key", "default"], required: 1)
            return dictionary[try key(values[0] ?? .none)] ?? values[1] ?? .none
        case "copy":
            _ = try bind(arguments, name, [])
            return .dictionary(dictionary)
        default:
            _ = try bind(arguments, name, [])
            return .view(dictionary, name == "items" ? .items : name == "keys" ? .keys : .values)
        }
    }

    private func call(
        _ sequence: Value.Sequence, _ method: Value.Method, _ arguments: Arguments
    ) throws(ApusError) -> Value {
        if method.name == "copy" {
            _ = try bind(arguments, "copy", [])
            return .list(sequence)
        }
        let wanted = try bind(arguments, method.name, ["value"], required: 1)[0] ?? .none
        var count = 0
        for (index, item) in sequence.items.enumerated() where try equal(item, wanted) {
            if method.name == "index" { return .int(index) }
            count += 1
        }
        if method.name == "index" { throw fail("index: the value is not in the list") }
        return .int(count)
    }

    private func call(_ function: Value.Function, _ arguments: Arguments) throws(ApusError) -> Value {
        switch function {
        case .range: return try range(arguments)
        case .raiseException:
            let message = try bind(arguments, "raise_exception", ["message"], required: 1)[0] ?? .none
            throw fail("raise_exception: " + ApusError.printable(try text(of: message).string, limit: 1000))
        case .formatNow:
            let format = try bind(arguments, "strftime_now", ["format"], required: 1)[0] ?? .none
            return .string(try formatTime(try string(format, "strftime_now")))
        case .dict, .namespace:
            var pairs: [(key: Value, value: Value)] = []
            guard arguments.positional.count <= 1 else { throw fail("\(function.rawValue) takes one argument at most") }
            if let base = arguments.positional.first {
                if case .dictionary(let dictionary) = base {
                    for pair in zip(dictionary.keys, dictionary.values) { pairs.append((pair.0, pair.1)) }
                } else {
                    for item in try items(of: base) {
                        let pair = try items(of: item)
                        guard pair.count == 2 else { throw fail("\(function.rawValue) wants pairs") }
                        pairs.append((pair[0], pair[1]))
                    }
                }
            }
            for keyword in arguments.keywords { pairs.append((.string(keyword.name), keyword.value)) }
            if case .dict = function { return try dictionary(pairs) }
            let namespace = try makeNamespace()
            try allocate(pairs.count, bytesEach: 64)
            for pair in pairs { namespace.set(try string(pair.key, "namespace"), pair.value) }
            return .namespace(namespace)
        }
    }

    private func range(_ arguments: Arguments) throws(ApusError) -> Value {
        guard arguments.keywords.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw fail("range takes one to three arguments")
        }
        var bounds: [Int] = []
        for argument in arguments.positional { bounds.append(try integer(argument, "range")) }
        let (start, stop) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw fail("range: the step is 0") }
        let (span, overflow) = stop.subtractingReportingOverflow(start)
        guard step > 0 ? start < stop : start > stop else {
            return .range(Value.Range(start: start, stop: stop, step: step, count: 0))
        }
        let count = overflow ? UInt.max : (span.magnitude - 1) / step.magnitude + 1
        guard count <= Self.maxRange else { throw fail("range of more than \(Self.maxRange) numbers") }
        return .range(Value.Range(start: start, stop: stop, step: step, count: Int(count)))
    }

    private func formatTime(_ format: Text) throws(ApusError) -> Text {
        guard format.count <= 1000, !format.contains("\0") else { throw fail("strftime_now: the format is too long") }
        if format.isEmpty { return [] }
        var seconds = time_t(clock ?? 0)
        if clock == nil { _ = time(&seconds) }
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { throw fail("strftime_now: the time is out of range") }
        var buffer = [CChar](repeating: 0, count: 8192)
        let length = strftime(&buffer, buffer.count, format.string, &parts)
        let isForeign = format.contains(where: \.isForeign)
        return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self).unicodeScalars
            .map { CodePoint($0, isForeign: isForeign) }
    }
}
