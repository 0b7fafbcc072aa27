// Runs statements. Every piece of work is charged, so that a hostile template ends in an error, in time.

import ApusGGUF

final class Interpreter {
    /// How deeply containers may be nested: what walks over them recurses.
    static let maxValueDepth = 150

    let program: Program
    let limits: TemplateLimits
    /// The time that `strftime_now` tells, in seconds since 1970; nil for the clock's.
    let clock: Int?
    private let arguments: [Value?]
    var scope = Scope(parent: nil)
    /// The line that is being run, for errors.
    var line = 1
    /// What a `set` or `filter` block rendered.
    var blockContent = Value.none
    private var output: Text = []
    private var outputBytes = 0
    private var steps = 0
    private var memory = 0
    private var depth = 0
    private var namespaces: [Value.Namespace] = []
    private var macros: [Value.Macro] = []

    /// - Parameter arguments: A value for each symbol of the program that the caller gave one for.
    init(_ program: Program, arguments: [Value?], limits: TemplateLimits, clock: Int?) {
        self.program = program
        self.arguments = arguments
        self.limits = limits
        self.clock = clock
    }

    func run() throws(ApusError) -> Text {
        // Namespaces and macros may refer to themselves; taken apart, nothing is left in a ring or a long chain.
        defer {
            for namespace in namespaces { namespace.values = [:] }
            for macro in macros { macro.scope = nil }
        }
        _ = try run(program.body)
        return output
    }

    // MARK: Limits

    func fail(_ what: String, _ code: ApusError.Code = .format) -> ApusError {
        templateError(line, what, code: code)
    }

    /// Python's integers have no end; ours do.
    var integerOverflow: ApusError { fail("an integer of more than 64 bits is not supported", .unsupported) }

    /// Counts steps of work.
    func charge(_ count: Int = 1) throws(ApusError) {
        let (sum, overflow) = steps.addingReportingOverflow(count)
        steps = sum
        if overflow || sum > limits.steps { throw fail("more than \(limits.steps) steps") }
    }

    /// Counts memory before it is taken: elements of a list, or characters of a text.
    func allocate(_ count: Int, bytesEach: Int = 4) throws(ApusError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: bytesEach)
        let (sum, overflow2) = memory.addingReportingOverflow(bytes)
        if overflow || overflow2 || sum > limits.memoryBytes {
            throw fail("more than \(limits.memoryBytes) bytes of memory")
        }
        memory = sum
        try charge(count / 16)
    }

    func enter() throws(ApusError) {
        depth += 1
        if depth > limits.depth { throw fail("nested deeper than \(limits.depth) levels") }
    }

    func leave() { depth -= 1 }

    // MARK: Containers

    private func nextDepth(_ depth: Int) throws(ApusError) -> Int {
        if depth >= Self.maxValueDepth { throw fail("values nested deeper than \(Self.maxValueDepth) levels") }
        return depth + 1
    }

    func sequence(_ items: [Value], isGroup: Bool = false) throws(ApusError) -> Value.Sequence {
        try allocate(items.count + 2, bytesEach: 16)
        var depth = 0
        for item in items { depth = max(depth, item.depth) }
        return Value.Sequence(items, depth: try nextDepth(depth), isGroup: isGroup)
    }

    func list(_ items: [Value]) throws(ApusError) -> Value { .list(try sequence(items)) }

    func tuple(_ items: [Value]) throws(ApusError) -> Value { .tuple(try sequence(items)) }

    func iterator(_ items: [Value]) throws(ApusError) -> Value {
        try allocate(items.count + 2, bytesEach: 16)
        var depth = 0
        for item in items { depth = max(depth, item.depth) }
        return .iterator(Value.Iterator(items, depth: try nextDepth(depth)))
    }

    /// A dictionary of pairs; a key that comes again keeps its place and takes the last value.
    func dictionary(_ pairs: [(key: Value, value: Value)]) throws(ApusError) -> Value {
        try allocate(pairs.count + 2, bytesEach: 64)
        var keys: [Value] = []
        var values: [Value] = []
        var index: [Value.Key: Int] = [:]
        var depth = 0
        for pair in pairs {
            depth = max(depth, pair.key.depth, pair.value.depth)
            let key = try self.key(pair.key)
            if let known = index[key] {
                values[known] = pair.value
            } else {
                index[key] = keys.count
                keys.append(pair.key)
                values.append(pair.value)
            }
        }
        return .dictionary(Value.Dictionary(keys: keys, values: values, index: index, depth: try nextDepth(depth)))
    }

    func makeNamespace() throws(ApusError) -> Value.Namespace {
        try allocate(1, bytesEach: 128)
        let namespace = Value.Namespace()
        namespaces.append(namespace)
        return namespace
    }

    func makeMacro(_ definition: MacroDefinition) throws(ApusError) -> Value.Macro {
        try allocate(1, bytesEach: 128)
        let macro = Value.Macro(definition, scope: scope)
        macros.append(macro)
        return macro
    }

    // MARK: Variables

    func lookUp(_ symbol: Symbol) throws(ApusError) -> Value {
        var next: Scope? = scope
        var hops = 0
        while let scope = next {
            if let value = scope[symbol] {
                try charge(hops / 8)
                return value
            }
            next = scope.parent
            hops += 1
        }
        try charge(hops / 8)
        if let value = arguments[Int(symbol)] { return value }
        let name = program.names[Int(symbol)]
        if let function = Value.Function(rawValue: name) { return .function(function) }
        switch name {
        case "lipsum", "cycler", "joiner", "self": throw fail("the name '\(name)' is not supported", .unsupported)
        default: return .undefined(Value.Undefined("\(ApusError.quoted(name)) is undefined"))
        }
    }

    /// Runs with a scope of its own.
    func scoped<Result>(
        in parent: Scope? = nil, _ body: () throws(ApusError) -> Result
    ) throws(ApusError) -> Result {
        try allocate(1, bytesEach: 128)
        let outer = scope
        scope = Scope(parent: parent ?? outer)
        defer { scope = outer }
        return try body()
    }

    func assign(_ target: Target, _ value: Value) throws(ApusError) {
        switch target {
        case .name(let symbol): scope[symbol] = value
        case .attribute(let symbol, let name):
            guard case .namespace(let namespace) = try lookUp(symbol) else {
                throw fail(
                    "cannot assign to an attribute of \(ApusError.quoted(program.names[Int(symbol)])), "
                        + "which is no namespace")
            }
            try allocate(1, bytesEach: 64)
            namespace.set(name, value)
        case .tuple(let targets):
            let items = try self.items(of: value)
            guard items.count == targets.count else {
                throw fail("\(items.count) values to unpack, wanted \(targets.count)")
            }
            for (target, item) in zip(targets, items) { try assign(target, item) }
        }
    }

    // MARK: Output

    func write(_ text: Text) throws(ApusError) {
        try charge(text.count / 16)
        var bytes = 0
        for scalar in text { bytes += UTF8.width(scalar.scalar) }
        outputBytes += bytes
        if outputBytes > limits.outputBytes { throw fail("more than \(limits.outputBytes) bytes of output") }
        output += text
    }

    /// What a body writes, instead of writing it.
    func capture(_ body: () throws(ApusError) -> Void) throws(ApusError) -> Text {
        let outer = output
        output = []
        defer { output = outer }
        try body()
        try allocate(output.count)
        return output
    }

    // MARK: Statements

    enum Flow { case next, breakLoop, continueLoop }

    func run(_ body: [Statement]) throws(ApusError) -> Flow {
        try enter()
        defer { leave() }
        for statement in body {
            try charge()
            line = statement.line
            let flow = try run(statement)
            if flow != .next { return flow }
        }
        return .next
    }

    private func run(_ statement: Statement) throws(ApusError) -> Flow {
        switch statement.kind {
        case .data(let text): try write(text)
        case .output(let expression): try write(try text(of: try evaluate(expression)))
        case .conditional(let branches, let otherwise):
            for branch in branches where try isTrue(try evaluate(branch.test)) { return try run(branch.body) }
            return try run(otherwise)
        case .loop(let loop): try run(loop, over: try evaluate(loop.sequence), depth: 0)
        case .set(let target, let expression): try assign(target, try evaluate(expression))
        case .macro(let symbol, let definition): scope[symbol] = .macro(try makeMacro(definition))
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        case .scope(let body): _ = try scoped { () throws(ApusError) in try run(body) }
        default: try runBlock(statement)
        }
        return .next
    }

    private func runBlock(_ statement: Statement) throws(ApusError) {
        switch statement.kind {
        case .setBlock(let target, let filters, let body):
            try assign(target, try filtered(filters, body))
        case .filter(let filters, let body): try write(try text(of: try filtered(filters, body)))
        case .call(let definition, let expression):
            guard case .call(let callee, let list) = expression.kind else { return }
            let function = try evaluate(callee)
            var arguments = try self.arguments(list)
            arguments.keywords.append((Text("caller"), .macro(try makeMacro(definition))))
            line = statement.line
            try write(try text(of: try call(function, arguments)))
        case .with(let pairs, let body):
            var values: [Value] = []
            for pair in pairs { values.append(try evaluate(pair.1)) }
            try scoped { () throws(ApusError) in
                for (pair, value) in zip(pairs, values) { try assign(pair.0, value) }
                _ = try run(body)
            }
        default: break
        }
    }

    private func filtered(_ filters: Expression?, _ body: [Statement]) throws(ApusError) -> Value {
        let content = try scoped { () throws(ApusError) in
            try capture { () throws(ApusError) in _ = try run(body) }
        }
        guard let filters else { return .string(content) }
        let outer = blockContent
        blockContent = .string(content)
        defer { blockContent = outer }
        return try evaluate(filters)
    }

    func run(_ loop: Loop, over value: Value, depth: Int) throws(ApusError) {
        var items = try self.items(of: value)
        if let filter = loop.filter {
            var kept: [Value] = []
            for item in items {
                let isKept = try scoped { () throws(ApusError) in
                    try charge()
                    try assign(loop.target, item)
                    return try isTrue(try evaluate(filter))
                }
                if isKept { kept.append(item) }
            }
            items = kept
        }
        let state = Value.LoopState(loop, items: items, depth: depth, scope: scope)
        defer { state.finish() }
        // As Jinja has it: `else` runs unless the end of the body was reached once.
        var reachedEnd = false
        iteration: for (index, item) in items.enumerated() {
            try charge()
            state.index = index
            let flow = try scoped { () throws(ApusError) in
                scope[program.loop] = .loop(state)
                try assign(loop.target, item)
                return try run(loop.body)
            }
            switch flow {
            case .next: reachedEnd = true
            case .continueLoop: continue iteration
            case .breakLoop: break iteration
            }
        }
        if !reachedEnd, !loop.otherwise.isEmpty {
            _ = try scoped { () throws(ApusError) in try run(loop.otherwise) }
        }
    }
}
