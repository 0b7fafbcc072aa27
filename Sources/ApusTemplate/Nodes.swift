// The syntax tree. Names of variables are numbers, so that looking one up compares no text.

/// The number of a variable's name in a template.
typealias Symbol = Int32

enum Constant: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(Text)
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum Comparison: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn
}

/// The arguments of a call, filter or test.
struct ArgumentList: Sendable {
    var positional: [Expression] = []
    var keywords: [(name: Text, value: Expression)] = []
    /// `*expression`
    var star: Expression?
    /// `**expression`
    var doubleStar: Expression?

    var isEmpty: Bool { positional.isEmpty && keywords.isEmpty && star == nil && doubleStar == nil }
    var children: [Expression] {
        positional + keywords.map(\.value) + [star, doubleStar].compactMap { $0 }
    }
}

final class Expression: Sendable {
    enum Kind: Sendable {
        case constant(Constant)
        case name(Symbol)
        case list([Expression])
        case tuple([Expression])
        case dictionary([(key: Expression, value: Expression)])
        case negative(Expression)
        case positive(Expression)
        case not(Expression)
        case binary(BinaryOperator, Expression, Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case compare(Expression, [(Comparison, Expression)])
        case concatenate([Expression])
        case conditional(test: Expression, then: Expression, otherwise: Expression?)
        case attribute(Expression, Text)
        case item(Expression, Expression)
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, ArgumentList)
        case filter(Expression, String, ArgumentList)
        case test(Expression, String, ArgumentList)
        /// What a `set` or `filter` block rendered, for the block's filters.
        case blockContent
    }
    let kind: Kind
    let line: Int
    /// How many levels of expressions there are from here on; bounded, so that no walk over them overflows the stack.
    let depth: Int

    init(_ kind: Kind, line: Int, depth: Int) {
        self.kind = kind
        self.line = line
        self.depth = depth
    }
}

/// What `set` and `for` assign to.
indirect enum Target: Sendable {
    case name(Symbol)
    /// `namespace.attribute`
    case attribute(Symbol, Text)
    case tuple([Target])
}

/// A macro, or the body of a `call` block.
final class MacroDefinition: Sendable {
    struct Parameter: Sendable {
        let symbol: Symbol
        let name: Text
        let fallback: Expression?
    }
    let name: String
    let parameters: [Parameter]
    let body: [Statement]
    /// Whether the body mentions `varargs`, `kwargs` or `caller`: only then it takes them.
    let usesVarargs: Bool
    let usesKwargs: Bool
    let usesCaller: Bool

    init(
        name: String, parameters: [Parameter], body: [Statement], usesVarargs: Bool, usesKwargs: Bool, usesCaller: Bool
    ) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.usesVarargs = usesVarargs
        self.usesKwargs = usesKwargs
        self.usesCaller = usesCaller
    }
}

final class Loop: Sendable {
    let target: Target
    let sequence: Expression
    let filter: Expression?
    let isRecursive: Bool
    let body: [Statement]
    let otherwise: [Statement]

    init(
        target: Target, sequence: Expression, filter: Expression?, isRecursive: Bool, body: [Statement],
        otherwise: [Statement]
    ) {
        self.target = target
        self.sequence = sequence
        self.filter = filter
        self.isRecursive = isRecursive
        self.body = body
        self.otherwise = otherwise
    }
}

struct Statement: Sendable {
    indirect enum Kind: Sendable {
        case data(Text)
        case output(Expression)
        case conditional([(test: Expression, body: [Statement])], otherwise: [Statement])
        case loop(Loop)
        case set(Target, Expression)
        case setBlock(Target, Expression?, [Statement])
        case macro(Symbol, MacroDefinition)
        case call(MacroDefinition, Expression)
        case filter(Expression, [Statement])
        case with([(Target, Expression)], [Statement])
        /// Statements with variables of their own: `{% generation %}`.
        case scope([Statement])
        case breakLoop
        case continueLoop
    }
    let kind: Kind
    let line: Int
}

/// A parsed template.
struct Program: Sendable {
    let body: [Statement]
    /// The names of all symbols.
    let names: [String]
    /// Names that have a meaning of their own.
    let loop: Symbol
    let caller: Symbol
    let varargs: Symbol
    let kwargs: Symbol
}
