public import Apus

extension KeepAlive {
    /// Reads a time as Ollama writes it: seconds (`300`), or numbers with units (`5m`, `1h30m`); negative for ever.
    ///
    /// - Parameter text: The text.
    /// - Returns: Nil when it is no time.
    public init?(text: String) {
        guard let seconds = Double(plain: text) ?? GoDuration.seconds(text) else { return nil }
        self.init(seconds: seconds)
    }

    /// A number of seconds; negative ones, and more than a hundred years, are for ever.
    ///
    /// - Parameter seconds: The number.
    public init(seconds: Double) {
        self = seconds < 0 || !(seconds < 3e9) ? .forever : .duration(.seconds(seconds))
    }
}
