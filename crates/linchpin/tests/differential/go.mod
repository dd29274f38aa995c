module linchpin/differential

go 1.25
