package web

// Markup reads pages and gives what draws them.
func Markup(pages map[string]string) (draw func(name string, data any) ([]byte, error), err error) {
	m, err := newMarkup(pages)
	if err != nil {
		return nil, err
	}
	return m.draw, nil
}

// Pages are the embedded pages by their names.
func Pages() (map[string]string, error) { return pageTexts() }

// PageOf is what pages are drawn with.
type (
	PageOf      = page
	Emergency   = emergencyData
	Grant       = grantData
	Request     = requestData
	Book        = bookData
	BookRow     = bookRow
	RequestRow  = requestRow
	GrantRow    = grantRow
	FieldOfBook = fieldData
	Filled      = filledField
)
