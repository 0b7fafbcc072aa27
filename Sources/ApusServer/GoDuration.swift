/// Durations as Go's `time.ParseDuration` reads them.
package enum GoDuration {
    /// Seconds of a unit, by its name.
    private static let units: [Substring: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
    ]

    /// The duration in seconds.
    ///
    /// - Parameter text: Numbers with units, such as `-1h30m` or `1.5s`, or `0`.
    /// - Returns: nil for any other text.
    package static func seconds(_ text: String) -> Double? {
        var rest = text[...]
        var sign = 1.0
        if let first = rest.first, first == "-" || first == "+" {
            if first == "-" { sign = -1 }
            rest.removeFirst()
        }
        if rest == "0" { return 0 }
        if rest.isEmpty { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(plain: String(number)), let factor = units[unit] else { return nil }
            total += value * factor
        }
        return sign * total
    }
}

extension Double {
    /// A number in digits with at most a sign and a point: none of the words and other bases that Swift reads too.
    init?(plain text: String) {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.allSatisfy({ $0 == "." || ("0"..."9").contains($0) }) else { return nil }
        let padded = (digits.hasPrefix(".") ? "0" : "") + digits + (digits.hasSuffix(".") ? "0" : "")
        guard digits != ".", let value = Double(padded) else { return nil }
        self = text.hasPrefix("-") ? -value : value
    }
}
