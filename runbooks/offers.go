package runbooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ParseOffers reads what a program or a service of the operator's own says it can grant: a JSON object
// {"offers":[{"name":"support","params":{"team":["support"]},"description":"…","account":true}]}. Anything else, an unknown key and a name that stands twice are
// errors that say what is wrong.
func ParseOffers(raw []byte) ([]Offer, error) {
	var in struct {
		Offers []struct {
			Name        string              `json:"name"`
			Params      map[string][]string `json:"params"`
			Description string              `json:"description"`
			Account     bool                `json:"account"`
		} `json:"offers"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, errors.New(`it is not a JSON object of the key offers, a list of name, params, description and account`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON object")
	}
	if len(in.Offers) > maxOffers {
		return nil, fmt.Errorf("it lists more than %d offers", maxOffers)
	}
	var out []Offer
	seen := map[string]bool{}
	for i, x := range in.Offers {
		err := errors.Join(checkName("name", x.Name), Grant{Params: x.Params}.checkWords())
		switch {
		case err != nil:
			return nil, fmt.Errorf("offer %d: %w", i+1, err)
		case len(x.Params) == 0 || seen[x.Name]:
			return nil, fmt.Errorf("offer %d (%.60q) has no params, or its name stands twice", i+1, x.Name)
		}
		seen[x.Name] = true
		out = append(out, Offer{Name: Redact(x.Name, maxName), Params: x.Params, Description: Redact(x.Description, maxFact), Account: x.Account})
	}
	return out, nil
}

// StreamOffers gives one after the other what list finds all at once, or its error.
func StreamOffers(ctx context.Context, list func(context.Context) ([]Offer, error)) iter.Seq2[Offer, error] {
	return func(yield func(Offer, error) bool) {
		offers, err := list(ctx)
		if err != nil {
			yield(Offer{}, err)
			return
		}
		for _, o := range offers {
			if !yield(o, nil) {
				return
			}
		}
	}
}
