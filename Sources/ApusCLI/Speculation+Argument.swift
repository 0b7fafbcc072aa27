public import Apus
public import ArgumentParser

extension Speculation: ExpressibleByArgument {}
