/// The version of Apus.
public enum ApusVersion {
    /// As it is shown.
    public static let text = "\(major).\(minor).\(patch)"
    /// Grows with breaking changes.
    public static let major = 0
    /// Grows with features.
    public static let minor = 1
    /// Grows with corrections.
    public static let patch = 0
}
