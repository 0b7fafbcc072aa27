public import Apus

extension KeepAlive {
    /// Reads a time as Ollama writes it: seconds (`300`), or numbers with units (`5m`, `1h30m`); negative for ever.
    ///
    /// - Parameter text: The text.
    /// - Returns: Nil when it is no time.
    public init?(text: String) {
        var rest = text[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        guard rest.first?.isNumber == true else { return nil }
        let units = ["ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600]
        var seconds = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), let scale = unit.isEmpty ? 1 : units[String(unit)] else { return nil }
            seconds += number * scale
        }
        self.init(seconds: isNegative ? -1 : seconds)
    }

    /// A number of seconds; negative ones, and more than a hundred years, are for ever.
    ///
    /// - Parameter seconds: The number.
    public init(seconds: Double) {
        self = seconds < 0 || !(seconds < 3e9) ? .forever : .duration(.seconds(seconds))
    }
}
