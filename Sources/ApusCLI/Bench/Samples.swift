// Times of the same work, again and again.

/// What the timed runs of a test took.
package struct Samples {
    /// Nanoseconds of each run.
    package var nanoseconds: [Int]
    /// Tokens that each run computed.
    package var tokens: Int

    /// Times.
    ///
    /// - Parameters:
    ///   - nanoseconds: Of each run.
    ///   - tokens: Tokens that each run computed.
    package init(nanoseconds: [Int], tokens: Int) {
        self.nanoseconds = nanoseconds
        self.tokens = tokens
    }

    /// Tokens a second, of each run.
    package var rates: [Double] { nanoseconds.map { 1e9 * Double(tokens) / Double(max(1, $0)) } }

    /// (longest - shortest) / median.
    package var spread: Double {
        guard let shortest = nanoseconds.min(), let longest = nanoseconds.max() else { return 0 }
        return Double(longest - shortest) / max(1, nanoseconds.map(Double.init).median)
    }

    /// Whether the runs differ by more than a machine left alone makes them.
    package var isDisturbed: Bool { spread > 0.1 }
}

extension [Double] {
    /// The mean; 0 of nothing.
    package var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }

    /// The standard deviation as estimated from a sample (n - 1); 0 of fewer than two.
    package var deviation: Double {
        guard count > 1 else { return 0 }
        let mean = self.mean
        return (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)).squareRoot()
    }

    /// The middle one, or the mean of the middle two; 0 of nothing.
    package var median: Double {
        guard !isEmpty else { return 0 }
        let sorted = self.sorted()
        return count.isMultiple(of: 2) ? (sorted[count / 2 - 1] + sorted[count / 2]) / 2 : sorted[count / 2]
    }
}
