// Attributes, subscripts, slices and iteration.

import ApusGGUF

extension Interpreter {
    /// The names that Python's types have as methods and that come before a dictionary's items of that name.
    private static let dictionaryMethods: Set<String> = ["get", "items", "keys", "values", "copy"]
    private static let unsafeDictionaryMethods: Set<String> = ["pop", "popitem", "clear", "update", "setdefault"]
    private static let listMethods: Set<String> = ["count", "index", "copy"]
    private static let unsafeListMethods: Set<String> = [
        "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
    ]

    /// A method or a built-in attribute; nil when the type has none of that name.
    private func builtIn(_ base: Value, _ name: String) throws(ApusError) -> Value? {
        if name.hasPrefix("__") && name.hasSuffix("__") && name.utf8.count > 4 {
            return .undefined(
                Value.Undefined("access to the attribute \(ApusError.quoted(name))", isUnsafe: true))
        }
        func unsafe() -> Value {
            .undefined(Value.Undefined("access to the attribute '\(name)', which changes a value", isUnsafe: true))
        }
        switch base {
        case .string, .markup:
            guard StringMethods.all[name] != nil else {
                if StringMethods.unsupported.contains(name) {
                    throw fail("the string method '\(name)' is not supported", .unsupported)
                }
                return nil
            }
            return .method(Value.Method(base, name))
        case .dictionary:
            if Self.dictionaryMethods.contains(name) { return .method(Value.Method(base, name)) }
            if Self.unsafeDictionaryMethods.contains(name) { return unsafe() }
            if name == "fromkeys" { throw fail("the method 'fromkeys' is not supported", .unsupported) }
            return nil
        case .list(let sequence), .tuple(let sequence):
            if sequence.isGroup, name == "grouper" || name == "list" { return sequence.items[name == "list" ? 1 : 0] }
            if case .tuple = base, name == "copy" { return nil }
            if Self.listMethods.contains(name) { return .method(Value.Method(base, name)) }
            if case .list = base, Self.unsafeListMethods.contains(name) { return unsafe() }
            return nil
        case .loop(let state): return try loopAttribute(state, name)
        case .namespace(let namespace): return namespace.values[Text(name)]
        case .macro(let macro):
            switch name {
            case "name": return .string(Text(macro.definition.name))
            case "arguments": return try tuple(macro.definition.parameters.map { .string($0.name) })
            case "caller": return .bool(macro.definition.usesCaller)
            case "catch_kwargs": return .bool(macro.definition.usesKwargs)
            case "catch_varargs": return .bool(macro.definition.usesVarargs)
            default: return nil
            }
        case .range(let range):
            switch name {
            case "start": return .int(range.start)
            case "step": return .int(range.step)
            case "stop": return .int(range.stop)
            case "count", "index": throw fail("the attribute '\(name)' of a range is not supported", .unsupported)
            default: return nil
            }
        default: return nil
        }
    }

    private func loopAttribute(_ state: Value.LoopState, _ name: String) throws(ApusError) -> Value? {
        switch name {
        case "index": return .int(state.index + 1)
        case "index0": return .int(state.index)
        case "revindex": return .int(state.count - state.index)
        case "revindex0": return .int(state.count - state.index - 1)
        case "first": return .bool(state.index == 0)
        case "last": return .bool(state.index == state.count - 1)
        case "length": return .int(state.count)
        case "depth": return .int(state.depth + 1)
        case "depth0": return .int(state.depth)
        case "previtem":
            guard state.index > 0, state.index <= state.items.count else {
                return .undefined(Value.Undefined("there is no previous item"))
            }
            return state.items[state.index - 1]
        case "nextitem":
            guard state.index + 1 < state.items.count else {
                return .undefined(Value.Undefined("there is no next item"))
            }
            return state.items[state.index + 1]
        case "cycle", "changed": return .method(Value.Method(.loop(state), name))
        default: return nil
        }
    }

    /// `base.name`: an attribute, or else an item.
    func attribute(_ base: Value, _ name: Text) throws(ApusError) -> Value {
        if case .undefined(let undefined) = base, undefined.isUnsafe || name != Text("__init__") {
            throw self.undefined(undefined)
        }
        if case .dictionary(let dictionary) = base {
            // Only a few names are those of methods: most attributes of dictionaries are items.
            let found = dictionary[name]
            if let found, name.first != "_", !Self.isDictionaryMethod(name) { return found }
        }
        if let value = try builtIn(base, name.string) { return value }
        if case .dictionary(let dictionary) = base, let value = dictionary[name] { return value }
        return missing(base, name)
    }

    private static func isDictionaryMethod(_ name: Text) -> Bool {
        guard name.count <= 10 else { return false }
        let name = name.string
        return dictionaryMethods.contains(name) || unsafeDictionaryMethods.contains(name) || name == "fromkeys"
    }

    private func missing(_ base: Value, _ name: Text) -> Value {
        .undefined(
            Value.Undefined("a value of type \(base.typeName) has no attribute \(ApusError.quoted(name.string))"))
    }

    /// `base[index]`: an item, or else an attribute.
    func item(_ base: Value, _ index: Value) throws(ApusError) -> Value {
        if case .undefined(let undefined) = base { throw self.undefined(undefined) }
        switch base {
        case .dictionary(let dictionary):
            switch index {
            case .list, .dictionary: break
            default: if let value = dictionary[try key(index)] { return value }
            }
        case .list(let sequence), .tuple(let sequence):
            if let place = place(index, sequence.items.count) { return sequence.items[place] }
        case .string(let text):
            if let place = place(index, text.count) { return .string([text[place]]) }
        case .markup(let text):
            if let place = place(index, text.count) { return .markup([text[place]]) }
        case .range(let range):
            if let place = place(index, range.count) { return .int(range[place]) }
        default: break
        }
        if let name = index.string {
            if let value = try builtIn(base, name.string) { return value }
            return missing(base, name)
        }
        return .undefined(Value.Undefined("a value of type \(base.typeName) has no such item"))
    }

    /// The place that an index means, negative ones from the end; nil when there is none.
    private func place(_ index: Value, _ count: Int) -> Int? {
        guard case .int(let number) = index.number else { return nil }
        let place = number < 0 ? number + count : number
        return place >= 0 && place < count ? place : nil
    }

    /// The places of a slice, as Python's slice.indices has them.
    static func places(_ count: Int, _ start: Int?, _ stop: Int?, _ step: Int) -> [Int] {
        func clamp(_ bound: Int, _ least: Int, _ most: Int) -> Int {
            bound < 0 ? max(bound < -count ? least : bound + count, least) : min(bound, most)
        }
        var places: [Int] = []
        if step > 0 {
            let end = stop.map { clamp($0, 0, count) } ?? count
            var place = start.map { clamp($0, 0, count) } ?? 0
            while place < end {
                places.append(place)
                if step > count { break }
                place += step
            }
        } else {
            let end = stop.map { clamp($0, -1, count - 1) } ?? -1
            var place = start.map { clamp($0, -1, count - 1) } ?? count - 1
            while place > end {
                places.append(place)
                if step < -count { break }
                place += step
            }
        }
        return places
    }

    func slice(_ base: Value, _ start: Int?, _ stop: Int?, _ step: Int?) throws(ApusError) -> Value {
        let step = step ?? 1
        if step == 0 { throw fail("a slice's step is 0") }
        func cut<Element>(_ elements: [Element], _ bytesEach: Int) throws(ApusError) -> [Element] {
            if step == 1 {
                // Charged for what is copied only: slices are how templates walk through text.
                let count = elements.count
                let lower = min(max(start.map { $0 < 0 ? max($0, -count) + count : $0 } ?? 0, 0), count)
                let upper = min(max(stop.map { $0 < 0 ? max($0, -count) + count : $0 } ?? count, 0), count)
                if lower >= upper { return [] }
                try allocate(upper - lower, bytesEach: bytesEach)
                return Array(elements[lower..<upper])
            }
            try allocate(elements.count, bytesEach: bytesEach + 8)
            return Self.places(elements.count, start, stop, step).map { elements[$0] }
        }
        switch base {
        case .string(let text): return .string(try cut(text, 4))
        case .markup(let text): return .markup(try cut(text, 4))
        case .list(let sequence): return try list(try cut(sequence.items, 16))
        case .tuple(let sequence): return try tuple(try cut(sequence.items, 16))
        case .range: return try list(try cut(try items(of: base), 16))
        case .undefined(let undefined): throw self.undefined(undefined)
        default: throw fail("a value of type \(base.typeName) has no slices")
        }
    }

    /// What a loop over a value sees.
    func items(of value: Value) throws(ApusError) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let sequence), .tuple(let sequence): return sequence.items
        case .string(let text), .markup(let text):
            try allocate(text.count, bytesEach: 80)
            return text.map { .string([$0]) }
        case .dictionary(let dictionary), .view(let dictionary, .keys): return dictionary.keys
        case .view(let dictionary, .values): return dictionary.values
        case .view(let dictionary, .items):
            var items: [Value] = []
            for (key, value) in zip(dictionary.keys, dictionary.values) { items.append(try tuple([key, value])) }
            return items
        case .range(let range):
            try allocate(range.count, bytesEach: 16)
            return (0..<range.count).map { .int(range[$0]) }
        case .iterator(let iterator):
            defer { iterator.position = iterator.items.count }
            return iterator.position == 0 ? iterator.items : Array(iterator.items[iterator.position...])
        case .none, .bool, .int, .double, .namespace, .macro, .loop, .function, .method:
            throw fail("a value of type \(value.typeName) cannot be iterated")
        }
    }

    /// Python's len().
    func count(of value: Value) throws(ApusError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text), .markup(let text): return text.count
        case .list(let sequence), .tuple(let sequence): return sequence.items.count
        case .dictionary(let dictionary), .view(let dictionary, _): return dictionary.keys.count
        case .range(let range): return range.count
        case .loop(let state): return state.count
        default: throw fail("a value of type \(value.typeName) has no length")
        }
    }
}
