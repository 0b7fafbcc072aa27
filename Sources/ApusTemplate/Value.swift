// Values of a running template. Containers never change, as in Jinja's immutable sandbox; namespaces do.

import ApusGGUF

enum Value {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(Text)
    /// What the filter `safe` gives: text that escapes what is added to it.
    case markup(Text)
    case list(Sequence)
    case tuple(Sequence)
    case dictionary(Dictionary)
    case range(Range)
    case view(Dictionary, View)
    /// What `map`, `select` and the like give: read once.
    case iterator(Iterator)
    case namespace(Namespace)
    case macro(Macro)
    case loop(LoopState)
    case function(Function)
    case method(Method)

    enum View: String {
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"
    }

    /// The functions that every template can call.
    enum Function: String {
        case range, dict, namespace
        case raiseException = "raise_exception"
        case formatNow = "strftime_now"
    }

    /// A value that is not there, and why.
    final class Undefined {
        let reason: String
        /// Whether it stands for something that exists but that templates must not touch.
        let isUnsafe: Bool

        init(_ reason: String, isUnsafe: Bool = false) {
            self.reason = reason
            self.isUnsafe = isUnsafe
        }
    }

    final class Sequence {
        let items: [Value]
        let depth: Int
        /// Whether this is a group of `groupby`, with the attributes `grouper` and `list`.
        let isGroup: Bool

        /// For `Interpreter.sequence`, which bounds the depth.
        init(_ items: [Value], depth: Int, isGroup: Bool) {
            self.items = items
            self.depth = depth
            self.isGroup = isGroup
        }
    }

    final class Dictionary {
        let keys: [Value]
        let values: [Value]
        let depth: Int
        private let index: [Key: Int]

        /// For `Interpreter.dictionary`, which bounds the depth.
        init(keys: [Value], values: [Value], index: [Key: Int], depth: Int) {
            self.keys = keys
            self.values = values
            self.index = index
            self.depth = depth
        }

        subscript(key: Key) -> Value? { index[key].map { values[$0] } }
        subscript(name: Text) -> Value? { self[.string(name)] }
    }

    struct Range {
        let start: Int
        let stop: Int
        let step: Int
        let count: Int

        subscript(index: Int) -> Int { start + index * step }
    }

    final class Iterator {
        let items: [Value]
        let depth: Int
        var position = 0

        init(_ items: [Value], depth: Int) {
            self.items = items
            self.depth = depth
        }
    }

    final class Namespace {
        var names: [Text] = []
        var values: [Text: Value] = [:]

        func set(_ name: Text, _ value: Value) {
            if values.updateValue(value, forKey: name) == nil { names.append(name) }
        }
    }

    final class Macro {
        let definition: MacroDefinition
        /// Where the macro was defined; taken away when the template is done, as it refers back to the macro.
        var scope: Scope?

        init(_ definition: MacroDefinition, scope: Scope) {
            self.definition = definition
            self.scope = scope
        }
    }

    /// The variable `loop`.
    final class LoopState {
        let loop: Loop
        let depth: Int
        let count: Int
        var items: [Value]
        var index = 0
        var lastChanged: [Value]?
        /// Where the loop runs, for recursion.
        var scope: Scope?

        init(_ loop: Loop, items: [Value], depth: Int, scope: Scope) {
            self.loop = loop
            self.items = items
            self.depth = depth
            self.scope = scope
            count = items.count
        }

        /// Lets go of everything, so that what a template keeps of a loop makes no chain or ring.
        func finish() {
            items = []
            lastChanged = nil
            scope = nil
        }
    }

    final class Method {
        let receiver: Value
        let name: String

        init(_ receiver: Value, _ name: String) {
            self.receiver = receiver
            self.name = name
        }
    }

    /// What dictionaries are looked up by: numbers that are equal are one key, whatever their type.
    enum Key: Hashable {
        case undefined
        case none
        case string(Text)
        case int(Int)
        case double(Double)
        case tuple([Key])
        case object(ObjectIdentifier)
    }

    /// Levels of containers.
    var depth: Int {
        switch self {
        case .list(let sequence), .tuple(let sequence): sequence.depth
        case .dictionary(let dictionary), .view(let dictionary, _): dictionary.depth
        case .iterator(let iterator): iterator.depth
        case .method(let method): method.receiver.depth + 1
        default: 0
        }
    }

    /// The text of a string, marked as safe or not.
    var string: Text? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    var isMarkup: Bool {
        if case .markup = self { return true }
        return false
    }

    var isUndefined: Bool {
        if case .undefined = self { return true }
        return false
    }

    var isNone: Bool {
        if case .none = self { return true }
        return false
    }

    /// Python's name of the type.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .double: "float"
        case .string, .markup: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .range: "range"
        case .view(_, let view): view.rawValue
        case .iterator: "generator"
        case .namespace: "namespace"
        case .macro: "macro"
        case .loop: "loop"
        case .function, .method: "function"
        }
    }
}

/// Variables of a block, and of the blocks around it.
final class Scope {
    let parent: Scope?
    private var few: [(symbol: Symbol, value: Value)] = []
    private var many: [Symbol: Value] = [:]

    init(parent: Scope?) { self.parent = parent }

    subscript(symbol: Symbol) -> Value? {
        get {
            if let many = many.isEmpty ? nil : many[symbol] { return many }
            for entry in few where entry.symbol == symbol { return entry.value }
            return nil
        }
        set {
            guard let newValue else { return }
            for index in few.indices where few[index].symbol == symbol {
                few[index].value = newValue
                return
            }
            if few.count < 8, many[symbol] == nil {
                few.append((symbol, newValue))
            } else {
                many[symbol] = newValue
            }
        }
    }
}

/// The arguments of a call.
struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: Text, value: Value)] = []

    func keyword(_ name: String) -> Value? {
        let wanted = Text(name)
        return keywords.last { $0.name == wanted }?.value
    }
}
